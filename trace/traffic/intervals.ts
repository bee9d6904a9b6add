/** Unions of time intervals: overlapping work is never counted twice. */

export type Interval = readonly [start: number, end: number];

/** Disjoint and sorted. */
function union(intervals: readonly Interval[]): Interval[] {
  const merged: [number, number][] = [];
  for (const [start, end] of intervals.filter(([from, to]) => to > from).toSorted(([a], [b]) => a - b)) {
    const last = merged.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  return merged;
}

/** Length of a union. */
export function totalLength(intervals: readonly Interval[]): number {
  return union(intervals).reduce((sum, [start, end]) => sum + end - start, 0);
}

/** Length of what two sets of intervals have in common. */
export function overlapLength(left: readonly Interval[], right: readonly Interval[]): number {
  const [a, b] = [union(left), union(right)];
  let [i, j, length] = [0, 0, 0];
  while (i < a.length && j < b.length) {
    const start = Math.max(a[i]![0], b[j]![0]);
    const end = Math.min(a[i]![1], b[j]![1]);
    if (end > start) length += end - start;
    if (a[i]![1] < b[j]![1]) i++;
    else j++;
  }
  return length;
}
