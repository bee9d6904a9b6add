/** Finds how hard a method has to prune an image for a budget, by as few trial prefills as can be. */

export interface Attempt {
  /** Harder pruning for greater ones; counts fall about evenly along it. */
  readonly scale: number;
  /** Visual tokens leaving and entering a layer, mean over layers. */
  readonly leaving: number;
  readonly entering: number;
}

export interface Search {
  readonly budget: number;
  readonly attempt: (scale: number) => Promise<Attempt>;
  /** Leaves more than the budget. */
  readonly low: Pick<Attempt, 'scale' | 'leaving'>;
  /** Leaves no more than the budget. */
  readonly high: Attempt;
  /** Where to begin, and how far to go from there for the other side of the budget, where a guess is at hand. */
  readonly guess?: { readonly scale: number; readonly step: number };
  readonly trials: number;
}

/** Visual tokens under the budget that are near enough. */
const tolerance = 1;
/** Scales this near are the same. */
const nearness = 2e-3;
/** Least share of the interval that a trial cuts off. */
const leastCut = 0.08;

/**
 * The attempt that leaves most without going over the budget: false position after Illinois, which weighs down an end that
 * stays. Counts need not fall steadily, so it is the best one seen.
 */
export async function searchScale({ budget, attempt, low, high, guess, trials }: Search): Promise<Attempt> {
  const aim = budget - tolerance / 2;
  let best = high;
  let from = { scale: low.scale, over: low.leaving - aim };
  let to = { scale: high.scale, over: high.leaving - aim };
  let last: 'from' | 'to' | undefined;
  let next = guess?.scale;
  for (let trial = 0; trial < trials && budget - best.leaving > tolerance; trial++) {
    const width = to.scale - from.scale;
    if (width < nearness) break;
    const cut = Math.min(1 - leastCut, Math.max(leastCut, from.over / (from.over - to.over)));
    const tried = await attempt(next ?? from.scale + cut * width);
    const over = tried.leaving - aim;
    const side = tried.leaving > budget ? 'from' : 'to';
    if (side === 'from') {
      from = { scale: tried.scale, over };
      if (last === side) to = { ...to, over: to.over / 2 };
    } else {
      to = { scale: tried.scale, over };
      if (last === side) from = { ...from, over: from.over / 2 };
      if (tried.leaving > best.leaving) best = tried;
    }
    next =
      guess && next !== undefined && (last ?? side) === side ? beyond(tried, side, guess.step, from, to) : undefined;
    last = side;
  }
  return best;
}

/** One step on to the other side of the budget; undefined where that would leave the interval. */
function beyond(
  { scale }: Attempt,
  side: 'from' | 'to',
  step: number,
  from: { readonly scale: number },
  to: { readonly scale: number },
): number | undefined {
  const next = side === 'from' ? scale + step : scale - step;
  return next > from.scale && next < to.scale ? next : undefined;
}

export function meanCount(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0) / Math.max(1, counts.length);
}

/** For notes: four digits. */
export function shortNumber(value: number): string {
  return String(Number(value.toPrecision(4)));
}
