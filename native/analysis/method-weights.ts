/** What methods read of a model beside its own weights. */
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { type CrossAttentionWeights, openCrossAttention } from '../checkpoint/cross-attention-weights.ts';
import { type HighResolutionProjections, openHighResolution } from '../checkpoint/high-resolution-weights.ts';
import type { StoredFile } from '../checkpoint/stored-file.ts';
import { fetchesHighResolution, readsCrossAttention } from '../methods/choose-method.ts';
import type { MethodRequest } from '../rpc.ts';

export interface MethodWeights {
  readonly projections?: HighResolutionProjections | undefined;
  readonly crossAttention?: CrossAttentionWeights | undefined;
}

/** @throws FoveaError where weights are named and not as described */
export async function openMethodWeights(
  checkpoint: Checkpoint,
  methods: readonly MethodRequest[],
): Promise<MethodWeights> {
  return {
    projections: methods.some(fetchesHighResolution) ? await openHighResolution(checkpoint) : undefined,
    crossAttention: methods.some(readsCrossAttention) ? await openCrossAttention(checkpoint) : undefined,
  };
}

/** Those beside the checkpoint's own. */
export function filesBeside({ projections, crossAttention }: MethodWeights): StoredFile[] {
  return [...(projections?.files ?? []), ...(crossAttention?.files ?? [])];
}
