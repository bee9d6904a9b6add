/** What the raters make of each visual token: version 1.5 takes the mean of all heads, 2.0 corrects and chooses heads. */
import type { ModelShape } from '../method.ts';
import { rankedIndices } from '../top-indices.ts';

export interface RaterBlock {
  /** [heads, text, tokens], probability */
  readonly attention: Float32Array;
  readonly text: number;
  readonly tokens: number;
  /** Indices of text rows. */
  readonly raters: readonly number[];
}

/** [raters, tokens], mean over heads: the publication's matrix P */
export function raterMatrix({ attention, text, tokens, raters }: RaterBlock, heads?: readonly number[]): Float64Array {
  const all = attention.length / (text * tokens);
  const chosen = heads ?? Array.from({ length: all }, (_, head) => head);
  const matrix = new Float64Array(raters.length * tokens);
  raters.forEach((rater, row) => {
    for (const head of chosen) {
      const start = (head * text + rater) * tokens;
      for (let token = 0; token < tokens; token++) {
        matrix[row * tokens + token]! += attention[start + token]! / chosen.length;
      }
    }
  });
  return matrix;
}

/** [rows, columns] to [columns] */
export function meanOverRaters(matrix: Float64Array, tokens: number): Float64Array {
  const raters = matrix.length / tokens;
  const mean = new Float64Array(tokens);
  matrix.forEach((value, index) => {
    mean[index % tokens]! += value / raters;
  });
  return mean;
}

export type RotarySize = Pick<ModelShape['decoder'], 'headSize' | 'rotaryFrequencies'>;

/**
 * Version 2.0's "gravity": what rotary embedding alone makes of the product of two vectors of ones at these positions,
 * divided by the root of the head's size. Every pair of channels adds 2 cos(distance x frequency). May be 0 or negative.
 */
export function gravity(distance: number, { headSize, rotaryFrequencies }: RotarySize): number {
  let sum = 0;
  for (const frequency of rotaryFrequencies) sum += 2 * Math.cos(distance * frequency);
  return sum / Math.sqrt(headSize);
}

/** [text, tokens], `gravity` between the positions */
export function gravityOf(rows: Int32Array, columns: Int32Array, size: RotarySize): Float64Array {
  const known = new Map<number, number>();
  const at = (distance: number): number => {
    const found = known.get(distance) ?? gravity(distance, size);
    known.set(distance, found);
    return found;
  };
  return Float64Array.from({ length: rows.length * columns.length }, (_, index) =>
    at(Math.abs(rows[Math.floor(index / columns.length)]! - columns[index % columns.length]!)),
  );
}

/** Every head's attention divided by `bias` [text, tokens] */
export function withoutGravity(attention: Float32Array, bias: Float64Array): Float32Array {
  return attention.map((value, index) => value / bias[index % bias.length]!);
}

/** The heads in which raters give most to the image, ascending. */
export function strongestHeads({ attention, text, tokens, raters }: RaterBlock, count: number): number[] {
  const heads = attention.length / (text * tokens);
  const sums = Float64Array.from({ length: heads }, (_, head) =>
    raters.reduce((sum, rater) => {
      const start = (head * text + rater) * tokens;
      return attention.subarray(start, start + tokens).reduce((row, value) => row + value, sum);
    }, 0),
  );
  return rankedIndices(sums)
    .slice(0, count)
    .sort((a, b) => a - b);
}
