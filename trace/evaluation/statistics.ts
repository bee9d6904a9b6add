/** Intervals and tests for shares of right answers, all at 95 %. */

/** Half of 5 % above this many standard deviations. */
const z = 1.959963984540054;

/** Lower and upper limit. */
export type Interval = readonly [low: number, high: number];

/** Wilson's score interval of a share (Wilson 1927; Newcombe 1998, Statist. Med. 17, 857, method 3). [0, 1] without trials. */
export function wilsonInterval(successes: number, trials: number): Interval {
  if (trials === 0) return [0, 1];
  const share = successes / trials;
  const spread = z * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials));
  const centre = share + (z * z) / (2 * trials);
  const scale = 1 + (z * z) / trials;
  return [Math.max(0, (centre - spread) / scale), Math.min(1, (centre + spread) / scale)];
}

/** The same questions under two conditions. */
export interface PairedCounts {
  readonly both: number;
  readonly onlyFirst: number;
  readonly onlySecond: number;
  readonly neither: number;
}

/**
 * Interval of the first share minus the second: Wilson's limits squared and added, with the continuity-corrected
 * correlation of the pairs (Newcombe 1998, Statist. Med. 17, 2635, method 10). [-1, 1] without pairs.
 */
export function pairedInterval({ both, onlyFirst, onlySecond, neither }: PairedCounts): Interval {
  const pairs = both + onlyFirst + onlySecond + neither;
  if (pairs === 0) return [-1, 1];
  const [first, second] = [(both + onlyFirst) / pairs, (both + onlySecond) / pairs];
  const [firstLow, firstHigh] = wilsonInterval(both + onlyFirst, pairs);
  const [secondLow, secondHigh] = wilsonInterval(both + onlySecond, pairs);
  const margins = (both + onlyFirst) * (onlySecond + neither) * (both + onlySecond) * (onlyFirst + neither);
  const agreement = both * neither - onlyFirst * onlySecond;
  const corrected = agreement > 0 ? Math.max(0, agreement - pairs / 2) : agreement;
  const phi = margins === 0 ? 0 : corrected / Math.sqrt(margins);
  const distance = (a: number, b: number): number => Math.sqrt(Math.max(0, a * a - 2 * phi * a * b + b * b));
  const difference = first - second;
  return [
    difference - distance(first - firstLow, secondHigh - second),
    difference + distance(firstHigh - first, second - secondLow),
  ];
}

/** McNemar's exact test, two-sided: how probable so uneven a split of the disagreements is if there is no difference. */
export function mcnemarProbability(onlyFirst: number, onlySecond: number): number {
  const trials = onlyFirst + onlySecond;
  const most = Math.min(onlyFirst, onlySecond);
  let logTerm = -trials * Math.LN2;
  let tail = 0;
  for (let successes = 0; successes <= most; successes++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log((trials - successes) / (successes + 1));
  }
  return Math.min(1, 2 * tail);
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? NaN : values.reduce((sum, value) => sum + value, 0) / values.length;
}
