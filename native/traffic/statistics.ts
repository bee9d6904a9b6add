/**
 * Softmax over keys that are spread over shards: partial results carry an unnormalised accumulator with the running
 * maximum and sum of each row, and merge without loss. One division at the end, no logarithm in between.
 */

import { allocateFloats } from '../engine/float-memory.ts';

export interface Statistics {
  readonly firstHead: number;
  readonly heads: number;
  readonly rows: number;
  /** [heads, rows, head size], sum of exp(logit - maximum) times value */
  readonly accumulator: Float32Array;
  /** [heads, rows], `lowest` where no key was visible */
  readonly maximum: Float32Array;
  /** [heads, rows], sum of exp(logit - maximum); 0 where no key was visible */
  readonly sum: Float32Array;
}

/** Stands for minus infinity as a maximum, so that no two infinities are ever subtracted. */
export const lowest = -1e38;

/** @throws FoveaError `out-of-memory` */
export function emptyStatistics(firstHead: number, heads: number, rows: number, headSize: number): Statistics {
  return {
    firstHead,
    heads,
    rows,
    accumulator: allocateFloats(heads * rows * headSize),
    maximum: allocateFloats(heads * rows).fill(lowest),
    sum: new Float32Array(heads * rows),
  };
}

/** Adds `part` to `into`, row by row. Both have the same heads and rows. */
export function mergeInto(into: Statistics, part: Pick<Statistics, 'accumulator' | 'maximum' | 'sum'>): void {
  const { accumulator, maximum, sum } = into;
  const width = maximum.length === 0 ? 0 : accumulator.length / maximum.length;
  for (let row = 0; row < maximum.length; row++) {
    const common = Math.max(maximum[row]!, part.maximum[row]!);
    const own = Math.exp(maximum[row]! - common);
    const other = Math.exp(part.maximum[row]! - common);
    const end = (row + 1) * width;
    for (let i = row * width; i < end; i++) {
      accumulator[i] = accumulator[i]! * own + part.accumulator[i]! * other;
    }
    sum[row] = sum[row]! * own + part.sum[row]! * other;
    maximum[row] = common;
  }
}

/** Divides by the sum: afterwards the accumulator is O, the maximum L, and the sum 1; rows without keys stay 0. */
export function normalize({ accumulator, maximum, sum }: Statistics): void {
  const width = maximum.length === 0 ? 0 : accumulator.length / maximum.length;
  for (let row = 0; row < maximum.length; row++) {
    const total = sum[row]!;
    if (total === 0) continue;
    const end = (row + 1) * width;
    for (let i = row * width; i < end; i++) accumulator[i]! /= total;
    maximum[row]! += Math.log(total);
    sum[row] = 1;
  }
}

/** Natural log-sum-exp of normalised statistics: minus infinity where no key was visible. */
export function logSumExp({ maximum, sum }: Statistics): Float32Array {
  return maximum.map((value, row) => (sum[row] === 0 ? -Infinity : value));
}

/** The reverse: O and L as statistics, ready to be merged. */
export function fromOutput(
  output: Float32Array,
  logSums: Float32Array,
  layout: Pick<Statistics, 'firstHead' | 'heads' | 'rows'>,
): Statistics {
  return {
    ...layout,
    accumulator: output,
    maximum: logSums.map(value => (value === -Infinity ? lowest : value)),
    sum: logSums.map(value => (value === -Infinity ? 0 : 1)),
  };
}
