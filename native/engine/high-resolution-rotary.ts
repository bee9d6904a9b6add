/** Rotary embedding of high-resolution keys, which share the positions of the low-resolution image. */
import type { RopeConfig } from '../checkpoint/model-config.ts';
import { rotaryTables, type RotaryTables } from './rotary-embedding.ts';

interface Grid {
  readonly rows: number;
  readonly columns: number;
}

/**
 * `fractional`: a token shares its patch's row and stands a fraction of a step within it (the bundled weights).
 * `interpolated`: cos and sin of the patches, each interpolated bicubically (FlexAttention's code), so that pairs are no
 * longer of length 1.
 */
export type RotaryKind = 'fractional' | 'interpolated';

export interface HighResolutionPlace {
  /** Position of the first patch of the low-resolution image. */
  readonly first: number;
  /** The low-resolution image's patches, and the high-resolution tokens, which cover the same picture. */
  readonly patches: Grid;
  readonly grid: Grid;
}

/** @returns [rows x columns of the grid, head size / 2] */
export function highResolutionTables(
  kind: RotaryKind,
  rope: RopeConfig,
  headSize: number,
  place: HighResolutionPlace,
  sequenceLength: number,
): RotaryTables {
  const { first, patches, grid } = place;
  if (kind === 'fractional') {
    return rotaryTables(rope, headSize, fractionalPositions(place), sequenceLength);
  }
  const positions = Int32Array.from({ length: patches.rows * patches.columns }, (_, patch) => first + patch);
  const { cos, sin } = rotaryTables(rope, headSize, positions, sequenceLength);
  return {
    cos: resizeBicubic(cos, headSize / 2, patches, grid),
    sin: resizeBicubic(sin, headSize / 2, patches, grid),
  };
}

function fractionalPositions({ first, patches, grid }: HighResolutionPlace): Float32Array {
  return Float32Array.from({ length: grid.rows * grid.columns }, (_, token) => {
    const row = Math.floor((Math.floor(token / grid.columns) * patches.rows) / grid.rows);
    const column = Math.fround(((token % grid.columns) * patches.columns) / grid.columns);
    return Math.fround(first + row * patches.columns + column);
  });
}

/** Sharpness of torch's bicubic kernel. */
const sharpness = -0.75;

/**
 * torch's bicubic interpolation of an enlarged map: pixel centres at half positions, edges repeated, no antialiasing.
 * @param values [rows x columns, channels] @returns the same for the new size
 */
export function resizeBicubic(values: Float32Array, channels: number, from: Grid, to: Grid): Float32Array {
  const wide = new Float32Array(from.rows * to.columns * channels);
  const resized = new Float32Array(to.rows * to.columns * channels);
  for (let column = 0; column < to.columns; column++) {
    const taps = bicubicTaps(column, from.columns, to.columns);
    for (let row = 0; row < from.rows; row++) {
      const target = (row * to.columns + column) * channels;
      blend(values, wide, target, channels, taps, source => (row * from.columns + source) * channels);
    }
  }
  for (let row = 0; row < to.rows; row++) {
    const taps = bicubicTaps(row, from.rows, to.rows);
    for (let column = 0; column < to.columns; column++) {
      const target = (row * to.columns + column) * channels;
      blend(wide, resized, target, channels, taps, source => (source * to.columns + column) * channels);
    }
  }
  return resized;
}

interface Tap {
  readonly source: number;
  readonly weight: number;
}

function bicubicTaps(index: number, size: number, resized: number): Tap[] {
  const centre = ((index + 0.5) * size) / resized - 0.5;
  const base = Math.floor(centre);
  return [-1, 0, 1, 2].map(offset => ({
    source: Math.min(Math.max(base + offset, 0), size - 1),
    weight: cubic(Math.abs(centre - base - offset)),
  }));
}

function cubic(x: number): number {
  if (x <= 1) return ((sharpness + 2) * x - (sharpness + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * sharpness : 0;
}

function blend(
  from: Float32Array,
  into: Float32Array,
  target: number,
  channels: number,
  taps: readonly Tap[],
  startOf: (source: number) => number,
): void {
  for (const { source, weight } of taps) {
    const start = startOf(source);
    for (let channel = 0; channel < channels; channel++) into[target + channel]! += weight * from[start + channel]!;
  }
}
