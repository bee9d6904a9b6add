/** [heads, columns] to [columns] */
export function meanOverHeads(values: Float32Array, columns: number): Float32Array {
  const heads = values.length / columns;
  const mean = new Float32Array(columns);
  for (let column = 0; column < columns; column++) {
    let sum = 0;
    for (let head = 0; head < heads; head++) sum += values[head * columns + column]!;
    mean[column] = sum / heads;
  }
  return mean;
}
