/**
 * From a row of attention over the low-resolution image to selected cells, step by step as FlexAttention does it
 * (section 3.2; the paper normalises, binarises and resizes, the official code also suppresses padding and pools).
 * Arithmetic is rounded to float32, in which both compute.
 */
import type { SelectionRule } from '../../../trace/high-resolution.ts';

export interface Grid {
  readonly rows: number;
  readonly columns: number;
}

export interface SelectionSteps {
  readonly smallest: number;
  readonly largest: number;
  /** [patches], 0 to 1; NaN where all values are the same */
  readonly normalised: Float32Array;
  /** [patches], 0 or 1 */
  readonly binarised: Uint8Array;
  /** [cells], 0 or 1 */
  readonly cells: Uint8Array;
}

const { fround } = Math;
/** Masks are 8-bit pictures in the official code. */
const brightest = 255;

/**
 * Patches at each edge that show nothing but padding, where an image of this size stands in the middle of a square.
 * Whole patches only: the official code truncates.
 */
export function paddingMargin(width: number, height: number, { rows, columns }: Grid): Grid {
  const margin = Math.floor(Math.abs(width - height) / 2) / Math.max(width, height);
  return width > height
    ? { rows: Math.trunc(margin * rows), columns: 0 }
    : { rows: 0, columns: Math.trunc(margin * columns) };
}

/** Zero in the margin. @param row [patches] */
function suppressMargin(row: Float32Array, grid: Grid, margin: Grid): Float32Array {
  if (margin.rows === 0 && margin.columns === 0) return row;
  return row.map((value, patch) => {
    const [y, x] = [Math.floor(patch / grid.columns), patch % grid.columns];
    const inside =
      y >= margin.rows && y < grid.rows - margin.rows && x >= margin.columns && x < grid.columns - margin.columns;
    return inside ? value : 0;
  });
}

/** @param attention [patches], summed over heads */
export function selectCells(
  attention: Float32Array,
  { grid, cells, margin, rule }: { grid: Grid; cells: Grid; margin: Grid; rule: SelectionRule },
): SelectionSteps {
  const row = suppressMargin(attention, grid, margin);
  const smallest = row.reduce((least, value) => Math.min(least, value), Infinity);
  const largest = row.reduce((most, value) => Math.max(most, value), -Infinity);
  const span = fround(largest - smallest);
  const normalised = row.map(value => fround(value - smallest) / span);
  const binarised =
    rule.kind === 'threshold'
      ? Uint8Array.from(normalised, value => Number(fround(value * brightest) > rule.threshold))
      : strongest(row, rule.count);
  return { smallest, largest, normalised, binarised, cells: adaptiveMaxPool(binarised, grid, cells) };
}

/** The `count` largest values, lower patches first where equal. A patch without any attention is never taken. */
function strongest(row: Float32Array, count: number): Uint8Array {
  const order = Array.from(row.keys()).sort((a, b) => row[b]! - row[a]! || a - b);
  const taken = new Uint8Array(row.length);
  for (const patch of order.slice(0, count)) if (row[patch]! > 0) taken[patch] = 1;
  return taken;
}

/**
 * Each cell is the largest value of its window; windows overlap where the sizes do not divide, as those of torch's adaptive
 * pooling do: from floor(i · n / cells) to ceil((i + 1) · n / cells).
 */
export function adaptiveMaxPool(values: Uint8Array, grid: Grid, cells: Grid): Uint8Array {
  if (grid.rows === cells.rows && grid.columns === cells.columns) return values;
  const pooled = new Uint8Array(cells.rows * cells.columns);
  for (let row = 0; row < cells.rows; row++) {
    const [top, bottom] = poolingWindow(row, grid.rows, cells.rows);
    for (let column = 0; column < cells.columns; column++) {
      const [left, right] = poolingWindow(column, grid.columns, cells.columns);
      for (let y = top; y < bottom; y++) {
        for (let x = left; x < right; x++) {
          if (values[y * grid.columns + x]) pooled[row * cells.columns + column] = 1;
        }
      }
    }
  }
  return pooled;
}

/** Half-open range of the positions that a pooled one covers. */
export function poolingWindow(index: number, size: number, pooled: number): readonly [number, number] {
  return [Math.floor((index * size) / pooled), Math.ceil(((index + 1) * size) / pooled)];
}
