import { crossRows, crossTokens, type CrossAttention } from '../../trace/cross-attention.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { count } from '../format.ts';

export const crossAttentionViewId = 'cross-attention';

/** The method that read, as the trace names it. */
export function crossTitle({ method, crossAttention }: RunMetadata): string | undefined {
  return crossAttention && (method.title ?? method.name);
}

/** Why a run has nothing to show of cross-attention; undefined where it has. */
export function crossMissing(run: RunMetadata): string | undefined {
  if (!run.crossAttention)
    return 'This run read nothing through cross-attention. The method llava-xattn does, with a model that has the weights.';
  return crossRows(run) > 0 ? undefined : 'This run was cancelled before text read anything.';
}

/** "8 frames", "5 of 12 frames", "72 × 72 high-resolution tokens" */
export function inputWords({ input, frames, framesAvailable, grid }: CrossAttention): string {
  if (input === 'high-resolution') return `${grid.rows} × ${grid.columns} high-resolution tokens`;
  const all = framesAvailable === frames.length ? '' : ` of ${count(framesAvailable)}`;
  return `${count(frames.length)}${all} ${framesAvailable === 1 ? 'frame' : 'frames'}`;
}

export const layerNames = (layers: readonly number[]): string => layers.map(layer => `D${layer}`).join(', ');

/** What reads, what is read, and with which weights. */
export function settingWords(described: CrossAttention): string {
  const { layers, heads, grid, input, weights } = described;
  const each = input === 'frames' ? ` of ${grid.rows} × ${grid.columns} tokens each` : '';
  return [
    `${inputWords(described)}${each}, ${count(crossTokens(described))} keys in all`,
    `read by text after the image, before ${layerNames(layers)}, by ${heads} heads`,
    weights,
  ].join(' · ');
}
