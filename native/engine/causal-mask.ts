/**
 * What is added to the scores so that no row sees a later one: [rows, past + rows], 0 or -infinity. It follows the order of
 * the sequence and not rotary positions, which after pruning may be smaller than those of keys already seen.
 */
export function causalMask(rows: number, past: number): Float32Array {
  const keys = past + rows;
  const mask = new Float32Array(rows * keys);
  for (let row = 0; row < rows; row++) mask.fill(-Infinity, row * keys + past + row + 1, (row + 1) * keys);
  return mask;
}
