/** Indices of the `count` largest values, ascending; ties go to the lower index, so that runs repeat. */
export function topIndices(values: ArrayLike<number>, count: number): number[] {
  return rankedIndices(values)
    .slice(0, count)
    .sort((a, b) => a - b);
}

/** All indices, largest value first; ties go to the lower index. */
export function rankedIndices(values: ArrayLike<number>): number[] {
  return Array.from(values, (_, index) => index).sort((a, b) => values[b]! - values[a]! || a - b);
}
