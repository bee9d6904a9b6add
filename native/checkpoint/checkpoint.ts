/** A Hugging Face checkpoint as it lies in its folder: what the config says and where every weight is. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { elementCount } from '../../trace/safetensors.ts';
import { readCheckpointJson, readCheckpointText } from '../checkpoint-file.ts';
import { FoveaError } from '../errors.ts';
import { ConfigSection } from './config-section.ts';
import { findModelWeights, hasStoredHead } from './find-weights.ts';
import { readLlavaLayout } from './llava-layout.ts';
import type { ModelConfig } from './model-config.ts';
import type { ModelWeights } from './model-weights.ts';
import { parseModelConfig } from './parse-config.ts';
import { configurationFiles, type StoredFile } from './stored-file.ts';
import { findVisionTower, withTowerWeights } from './vision-tower.ts';
import { readWeightFiles } from './weight-files.ts';
import type { Weight, WeightIndex } from './weight-index.ts';

export interface Checkpoint {
  /** Absolute path, symbolic links not followed. */
  readonly folder: string;
  /** Of a vision tower that lies elsewhere, as LLaVA's own layout has it. */
  readonly towerFolder?: string;
  readonly config: ModelConfig;
  /** All tensors in the files, those that the model has no use for included. */
  readonly weights: WeightIndex;
  /** The weights the model uses. */
  readonly model: ModelWeights;
  /** Elements of all weights the model uses. */
  readonly parameters: number;
  /** Data type on disk of most weights: "F16", "BF16" or "F32". */
  readonly storedPrecision: string;
  /** All that any run of it reads; what only some methods need lies beside them. */
  readonly files: readonly StoredFile[];
  /** sha256 of config.json and of the header of every weight file, a vision tower's that lies elsewhere included, hex. */
  readonly digest: string;
  /** Estimated bytes of memory for the weights once loaded for arithmetic in F32. */
  readonly requiredBytes: number;
}

/**
 * Reads config files and weight headers, no weights.
 * @param visionTower where the vision tower is, or a folder that it lies in, for a checkpoint that only names it
 * @throws FoveaError `checkpoint-missing`, `checkpoint-malformed`, `architecture-unsupported` or `shape-mismatch`.
 */
export async function openCheckpoint(folder: string, visionTower?: string): Promise<Checkpoint> {
  const absolute = resolve(folder);
  await requireFolder(absolute);
  const config = await readCheckpointJson(absolute, 'config.json');
  if (!config) throw noConfig(absolute);
  const generation = await readCheckpointJson(absolute, 'generation_config.json');
  const layout = readLlavaLayout(new ConfigSection(config, 'config.json'));
  const tower = layout && (await findVisionTower(absolute, layout, visionTower));
  // Before the weights: a checkpoint of another architecture is better told so than that its files are unusual.
  parseModelConfig({ config, generation, tower }, true);
  const own = await readWeightFiles(absolute);
  const { index, files, headerDigests } = tower ? await withTowerWeights(absolute, own, tower) : own;
  const modelConfig = parseModelConfig({ config, generation, tower }, hasStoredHead(index));
  const { model, used } = findModelWeights(index, modelConfig);
  const configText = (await readCheckpointText(absolute, 'config.json')) ?? '';
  return {
    folder: absolute,
    ...(tower?.folder !== undefined && { towerFolder: tower.folder }),
    config: modelConfig,
    weights: index,
    model,
    parameters: sum(used.map(weight => elementCount(weight.shape))),
    storedPrecision: prevalentType(used),
    files: [...(await configurationFiles(absolute, tower?.folder)), ...files],
    digest: createHash('sha256')
      .update([configText, ...headerDigests].join('\n'))
      .digest('hex'),
    requiredBytes: requiredBytes(model, used),
  };
}

async function requireFolder(folder: string): Promise<void> {
  const hint = 'Choose the folder of a Hugging Face checkpoint: the one that holds config.json.';
  const found = await stat(folder).catch(() => undefined);
  if (!found) throw new FoveaError('checkpoint-missing', `There is no folder ${folder}.`, hint);
  if (!found.isDirectory()) throw new FoveaError('checkpoint-missing', `${folder} is a file, not a folder.`, hint);
}

function noConfig(folder: string): FoveaError {
  const hint =
    'Choose the folder of a Hugging Face checkpoint, in which config.json and *.safetensors lie side by side.';
  return new FoveaError('checkpoint-missing', `There is no config.json in ${folder}.`, hint);
}

function prevalentType(weights: readonly Weight[]): string {
  const elements = new Map<string, number>();
  for (const { dtype, shape } of weights) elements.set(dtype, (elements.get(dtype) ?? 0) + elementCount(shape));
  const [prevalent] = [...elements].sort(([, a], [, b]) => b - a);
  return prevalent?.[0] ?? 'F32';
}

/** All in F32, but for the embedding, of which single rows are read where it lies; a tied head is a copy of it. */
function requiredBytes(model: ModelWeights, used: readonly Weight[]): number {
  const { tokenEmbedding, head } = model;
  const floatBytes = (weight: Weight): number => elementCount(weight.shape) * 4;
  const tiedHead = head.head === tokenEmbedding ? floatBytes(tokenEmbedding) : 0;
  return sum(used.map(floatBytes)) - floatBytes(tokenEmbedding) + tokenEmbedding.bytes + tiedHead;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
