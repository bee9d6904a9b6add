/** Where direct labels stand so that none covers another. */

/**
 * Moves labels apart that stand closer than `distance`, keeping their order and staying within [first, last] where there
 * is room. @param wanted y of each label
 */
export function spreadLabels(wanted: readonly number[], distance: number, first: number, last: number): number[] {
  const order = wanted.map((_, index) => index).sort((a, b) => wanted[a]! - wanted[b]! || a - b);
  const places = [...wanted];
  let least = first;
  for (const index of order) {
    places[index] = Math.max(wanted[index]!, least);
    least = places[index] + distance;
  }
  let most = last;
  for (const index of order.toReversed()) {
    if (places[index]! <= most) break;
    places[index] = most;
    most -= distance;
  }
  return places;
}
