export function largestOf(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, value), 0);
}
