import { mapSize } from './colour-map.ts';

/**
 * Paints values as cells of `pixels` (RGBA, `stride` cells a line) from cell (`left`, `top`): one cell per value.
 * @param values [rows * columns]
 * @param table [256 * 4] from `paintTable`
 */
export function paintCells(
  pixels: Uint8ClampedArray,
  stride: number,
  left: number,
  top: number,
  values: Float32Array,
  start: number,
  columns: number,
  rows: number,
  maximum: number,
  table: Uint8ClampedArray,
): void {
  const colours = new Uint32Array(table.buffer, table.byteOffset, mapSize);
  const cells = new Uint32Array(pixels.buffer, pixels.byteOffset, pixels.byteLength >> 2);
  const scale = maximum > 0 ? mapSize / maximum : 0;
  for (let row = 0; row < rows; row++) {
    let cell = (top + row) * stride + left;
    let from = start + row * columns;
    for (let column = 0; column < columns; column++) {
      const index = (values[from++]! * scale) | 0;
      cells[cell++] = colours[index >= mapSize ? mapSize - 1 : index]!;
    }
  }
}

/** Values between the cell centres by bilinear interpolation: [rows * factor, columns * factor]. */
export function smoothValues(values: Float32Array, columns: number, rows: number, factor: number): Float32Array {
  const [width, height] = [columns * factor, rows * factor];
  const smooth = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const v = Math.min(rows - 1, Math.max(0, (y + 0.5) / factor - 0.5));
    const [top, below] = [Math.floor(v), Math.min(rows - 1, Math.floor(v) + 1)];
    const down = v - top;
    for (let x = 0; x < width; x++) {
      const u = Math.min(columns - 1, Math.max(0, (x + 0.5) / factor - 0.5));
      const [left, right] = [Math.floor(u), Math.min(columns - 1, Math.floor(u) + 1)];
      const across = u - left;
      const upper = values[top * columns + left]! * (1 - across) + values[top * columns + right]! * across;
      const lower = values[below * columns + left]! * (1 - across) + values[below * columns + right]! * across;
      smooth[y * width + x] = upper * (1 - down) + lower * down;
    }
  }
  return smooth;
}

/** Fewer cells than values: the largest of the values that a cell covers, so that a single bright patch is not lost. */
export function shrinkToMaximum(
  values: Float32Array,
  start: number,
  columns: number,
  rows: number,
  toColumns: number,
  toRows: number,
): Float32Array {
  const small = new Float32Array(toColumns * toRows);
  for (let row = 0; row < rows; row++) {
    const to = Math.floor((row * toRows) / rows) * toColumns;
    for (let column = 0; column < columns; column++) {
      const cell = to + Math.floor((column * toColumns) / columns);
      const value = values[start + row * columns + column]!;
      if (value > small[cell]!) small[cell] = value;
    }
  }
  return small;
}
