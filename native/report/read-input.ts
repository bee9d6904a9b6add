/** What the answer read of a long visual input, summed up over its tokens for a page that cannot be played. */
import { crossMaps, crossTokens, type CrossAttention } from '../../trace/cross-attention.ts';
import type { TraceReader } from '../../trace/reader.ts';
import { answerRows } from '../cli/attention-summary.ts';
import { readFloats } from '../cli/trace-values.ts';

/** One layer before which text reads. */
export interface ReadingLayer {
  readonly layer: number;
  /** tanh of the trained gate. */
  readonly gate: number;
  /** Relative L2 norm of what was added to a row, mean of the rows that predict the answer. */
  readonly change: number;
  /** [tokens of the large image], probability, mean of heads and of those rows; empty where frames were read */
  readonly map: Float32Array;
  /** [frames], share of the attention, the same means; empty where one image was read */
  readonly frames: Float32Array;
}

export interface ReadInput {
  readonly described: CrossAttention;
  /** Rows that predict the answer. */
  readonly rows: number;
  readonly layers: readonly ReadingLayer[];
  /** As of one layer: the mean of all. */
  readonly map: Float32Array;
  readonly frames: Float32Array;
  /** Encoded, in the order of `described.frames`. */
  readonly pictures: readonly Uint8Array[];
}

/** @returns undefined for a run without cross-attention, and for one whose answer read nothing */
export async function readInput(trace: TraceReader): Promise<ReadInput | undefined> {
  const { metadata, tensors } = trace;
  const { crossAttention: described } = metadata;
  if (!described || !tensors['cross_attention.change'] || !tensors['cross_attention.to_tokens']) return undefined;
  const [first, end] = answerRows(metadata).map(row => row - described.firstRow) as [number, number];
  const rows = end - first;
  if (rows <= 0 || first < 0) return undefined;
  const { layers, gates, heads, frames } = described;
  const depth = layers.length;
  const [tokens, maps] = [crossTokens(described), crossMaps(described)];
  const changes = await readFloats(trace, 'cross_attention.change', [[first, end]]);
  const ofImage = frames.length === 0;
  const sums = layers.map(() => ({
    map: new Float32Array(ofImage ? tokens : 0),
    frames: new Float32Array(frames.length),
  }));
  for (let row = first; row < end; row++) {
    // Row by row, so that a long answer is never in memory as a whole.
    const values = ofImage
      ? await readFloats(trace, 'cross_attention.to_tokens', [[row, row + 1]])
      : await readFloats(trace, 'cross_attention.frame_share', [[row, row + 1]]);
    sums.forEach((sum, place) => {
      const [into, parts] = ofImage ? [sum.map, maps] : [sum.frames, heads];
      addMeans(values.subarray(place * parts * into.length, (place + 1) * parts * into.length), parts * rows, into);
    });
  }
  const read = layers.map((layer, place): ReadingLayer => {
    let change = 0;
    for (let row = 0; row < rows; row++) change += changes[row * depth + place]! / rows;
    return { layer, gate: gates[place]!, change, ...sums[place]! };
  });
  const mean = (of: 'map' | 'frames'): Float32Array =>
    Float32Array.from(read[0]![of], (_, i) => read.reduce((sum, one) => sum + one[of][i]!, 0) / depth);
  const bytes = ofImage ? new Uint8Array() : (await trace.slice('cross_attention.pictures')).data;
  const pictures = frames.map(({ offset, bytes: size }) => bytes.subarray(offset, offset + size));
  return { described, rows, layers: read, map: mean('map'), frames: mean('frames'), pictures };
}

/** @param values [parts, size] @param count what the sum of all is divided by @param into [size] */
function addMeans(values: Float32Array, count: number, into: Float32Array): void {
  for (let i = 0; i < values.length; i++) into[i % into.length]! += values[i]! / count;
}
