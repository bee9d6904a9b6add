/** The places of an image that a row read most: windows of tokens with the largest sums, apart from each other. */

export interface ClosestRegion {
  /** First token row and column of the window, and its sides in tokens. */
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
  /** Attention on the window. */
  readonly share: number;
}

interface Grid {
  readonly rows: number;
  readonly columns: number;
}

/**
 * @param values [rows x columns], probability @param side of the windows, in tokens
 * @returns at most `count`, largest first; none that overlaps another
 */
export function closestRegions(
  values: Float32Array,
  { rows, columns }: Grid,
  side: number,
  count: number,
): ClosestRegion[] {
  const [tall, wide] = [Math.min(side, rows), Math.min(side, columns)];
  const sums = integral(values, rows, columns);
  const found: ClosestRegion[] = [];
  while (found.length < count) {
    let best: ClosestRegion | undefined;
    for (let row = 0; row + tall <= rows; row++)
      for (let column = 0; column + wide <= columns; column++) {
        const share = windowSum(sums, columns, row, column, tall, wide);
        if (share <= (best?.share ?? 0)) continue;
        const apart = found.every(
          other => Math.abs(other.row - row) >= tall || Math.abs(other.column - column) >= wide,
        );
        if (apart) best = { row, column, rows: tall, columns: wide, share };
      }
    if (!best) break;
    found.push(best);
  }
  return found;
}

/** [rows + 1, columns + 1], sums of everything above and left. */
function integral(values: Float32Array, rows: number, columns: number): Float64Array {
  const sums = new Float64Array((rows + 1) * (columns + 1));
  for (let row = 0; row < rows; row++) {
    let line = 0;
    for (let column = 0; column < columns; column++) {
      line += values[row * columns + column]!;
      sums[(row + 1) * (columns + 1) + column + 1] = sums[row * (columns + 1) + column + 1]! + line;
    }
  }
  return sums;
}

function windowSum(
  sums: Float64Array,
  columns: number,
  row: number,
  column: number,
  tall: number,
  wide: number,
): number {
  const at = (y: number, x: number): number => sums[y * (columns + 1) + x]!;
  return at(row + tall, column + wide) - at(row, column + wide) - at(row + tall, column) + at(row, column);
}
