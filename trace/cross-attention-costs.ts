/** Multiply-accumulates of reading a long visual input through cross-attention, from the sizes of a run. */
import { crossTokens } from './cross-attention.ts';
import type { RunMetadata } from './schema.ts';

export interface CrossAttentionMacs {
  /** Keys and values of all tokens, projected once. */
  readonly project: number;
  /** Reading: every row's query and output projections, and its attention to all tokens; of prefill, and of all decode steps. */
  readonly prefill: number;
  readonly decode: number;
}

type Run = Pick<RunMetadata, 'model' | 'promptTokens' | 'reduction' | 'crossAttention'>;

/** What cross-attention added to the decoder's own work; nothing for a run without it. */
export function crossAttentionMacs({ model, promptTokens, reduction, crossAttention }: Run): CrossAttentionMacs {
  if (!crossAttention) return { project: 0, prefill: 0, decode: 0 };
  const { layers, heads, keyValueHeads, headSize, firstRow } = crossAttention;
  const { hiddenSize } = model.decoder;
  const tokens = crossTokens(crossAttention);
  const perRow = layers.length * heads * headSize * 2 * (hiddenSize + tokens);
  return {
    project: layers.length * tokens * 2 * hiddenSize * keyValueHeads * headSize,
    prefill: Math.max(0, promptTokens - firstRow) * perRow,
    decode: (reduction?.decodeSteps ?? 0) * perRow,
  };
}

/** Images that went through the vision tower beside the prompt's: tiles, or all frames but the first. */
export function crossAttentionImages({ crossAttention }: Pick<RunMetadata, 'crossAttention'>): number {
  if (!crossAttention) return 0;
  const { input, tiles, frames } = crossAttention;
  return input === 'frames' ? frames.length - 1 : tiles.rows * tiles.columns;
}
