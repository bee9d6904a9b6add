/** A Hugging Face checkpoint as it lies in its folder: what the config says and where every weight is. */
import type { ModelConfig } from './model-config.ts';
import type { WeightIndex } from './weight-index.ts';

export interface Checkpoint {
  /** Absolute path as given, symbolic links not followed. */
  readonly folder: string;
  readonly config: ModelConfig;
  readonly weights: WeightIndex;
  /** Elements of all weights the model uses. */
  readonly parameters: number;
  /** Data type on disk of most weights: "F16", "BF16" or "F32". */
  readonly storedPrecision: string;
  /** sha256 of config.json and of the header of every weight file, hex. */
  readonly digest: string;
  /** Estimated bytes of memory once loaded for arithmetic in F32. */
  readonly requiredBytes: number;
}

/**
 * Reads config files and weight headers, no weights.
 * @throws FoveaError `checkpoint-missing`, `checkpoint-malformed`, `architecture-unsupported` or `shape-mismatch`.
 */
export function openCheckpoint(folder: string): Promise<Checkpoint> {
  return Promise.reject(new Error(`openCheckpoint is not written yet (${folder})`));
}
