/** Finds how hard a method has to prune an image for a budget, by trial prefills. */

export interface Attempt {
  /** Harder pruning for greater ones. */
  readonly scale: number;
  /** Visual tokens leaving and entering a layer, mean over layers. */
  readonly leaving: number;
  readonly entering: number;
}

export interface Search {
  readonly budget: number;
  readonly attempt: (scale: number) => Promise<Attempt>;
  /** Leaves more than the budget. */
  readonly low: number;
  /** Leaves no more than the budget. */
  readonly high: Attempt;
  readonly middle: (low: number, high: number) => number;
  readonly trials: number;
}

/** Visual tokens under the budget that are near enough. */
const tolerance = 0.5;

/** The attempt that leaves most without going over the budget. Counts need not fall steadily: it is the best one seen. */
export async function searchScale({ budget, attempt, low, high, middle, trials }: Search): Promise<Attempt> {
  let best = high;
  let [from, to] = [low, high.scale];
  for (let trial = 0; trial < trials && budget - best.leaving > tolerance; trial++) {
    const next = await attempt(middle(from, to));
    if (next.leaving > budget) from = next.scale;
    else {
      to = next.scale;
      if (next.leaving > best.leaving) best = next;
    }
  }
  return best;
}

export function meanCount(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0) / Math.max(1, counts.length);
}

/** For notes: four digits. */
export function shortNumber(value: number): string {
  return String(Number(value.toPrecision(4)));
}
