/** Which files answers are made with, and what that means for answers of earlier. */
import { createHash } from 'node:crypto';
import type { EvaluationCondition } from '../../trace/evaluation/evaluation.ts';
import type { ModelFile } from '../../trace/model-files.ts';
import { filesBeside, openMethodWeights } from '../analysis/method-weights.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { FileDigests } from '../checkpoint/file-digests.ts';
import type { ResultsIdentity } from './results-file.ts';

export interface EvaluatedFiles {
  /** Of the model, and of what any of the conditions reads beside it. */
  readonly files: readonly ModelFile[];
  readonly identity: Pick<ResultsIdentity, 'model' | 'methodFiles'>;
}

/** @throws FoveaError `checkpoint-missing`, `checkpoint-malformed`, `shape-mismatch` or `cancelled` */
export async function evaluatedFiles(
  checkpoint: Checkpoint,
  conditions: readonly EvaluationCondition[],
  signal?: AbortSignal,
): Promise<EvaluatedFiles> {
  const weights = await openMethodWeights(
    checkpoint,
    conditions.map(({ method }) => ({ name: method })),
  );
  const digests = new FileDigests();
  const own = await digests.of(checkpoint.files, signal);
  const beside = await digests.of(filesBeside(weights), signal);
  return {
    files: [...own, ...beside],
    identity: {
      model: createHash('sha256').update(JSON.stringify(own)).digest('hex'),
      methodFiles: {
        // Those of the model itself have no files of their own.
        ...(weights.projections && { 'high-resolution projections': weights.projections.description.kind }),
        ...Object.fromEntries(beside.map(({ name, digest }) => [name, digest])),
      },
    },
  };
}
