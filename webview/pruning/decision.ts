import type { StageScore } from '../../trace/fates.ts';
import { fate, type RunFates } from './run-fates.ts';
import { isAbove } from './stages.ts';

/** How a token left a decision, as a chart draws it. */
export type Outcome = 'kept' | 'merged' | 'dropped' | 'rescued';

export interface DecisionPoint {
  /** One patch of the token. */
  readonly patch: number;
  readonly outcome: Outcome;
  readonly key: boolean;
  readonly x: number;
  /** The second score, where two decide. */
  readonly y: number;
}

/** A scale from one end to the other; logarithmic where the values span orders of magnitude. */
export interface Scale {
  readonly low: number;
  readonly high: number;
  readonly logarithmic: boolean;
}

/** One of the parts that two cut-offs cut the plane into. */
export interface Quadrant {
  readonly aboveX: boolean;
  readonly aboveY: boolean;
}

export type Decision =
  | { readonly kind: 'none'; readonly points: readonly DecisionPoint[] }
  | {
      readonly kind: 'histogram' | 'ranked';
      readonly score: StageScore;
      readonly index: number;
      readonly points: readonly DecisionPoint[];
      readonly scale: Scale;
    }
  | {
      readonly kind: 'scatter';
      readonly score: StageScore;
      readonly index: number;
      readonly second: StageScore;
      readonly secondIndex: number;
      readonly points: readonly DecisionPoint[];
      readonly scale: Scale;
      readonly secondScale: Scale;
      /** Where tokens were dropped, and would have been. */
      readonly dropRegion: readonly Quadrant[];
    }
  | {
      /** A score whose values are text tokens. */
      readonly kind: 'categories';
      readonly score: StageScore;
      readonly index: number;
      readonly points: readonly DecisionPoint[];
      /** Most frequent first: [text token, how many visual tokens] */
      readonly categories: readonly (readonly [number, number])[];
    };

/** @param shown one score by its index, or those that decided */
export function decisionOf(fates: RunFates, stage: number, shown: number | 'decided'): Decision {
  const { scores } = fates.stages[stage]!;
  const indices = scores.map((_, index) => index);
  const deciding = shown === 'decided' ? indices.filter(index => scores[index]!.cutoff) : [shown];
  const [first = indices[0], second] = deciding;
  const points = (x: number | undefined, y?: number): readonly DecisionPoint[] =>
    fates
      .tokensBefore(stage)
      .map(patch => ({
        patch,
        outcome: outcomeOf(fates.fateOf(stage, patch)),
        key: fates.isKey(stage, patch) || fates.isKey(stage - 1, patch),
        x: x === undefined ? NaN : fates.scoreOf(stage, x, patch),
        y: y === undefined ? NaN : fates.scoreOf(stage, y, patch),
      }))
      .filter(point => x === undefined || (!Number.isNaN(point.x) && (y === undefined || !Number.isNaN(point.y))));
  const score = first === undefined ? undefined : scores[first];
  if (first === undefined || !score) return { kind: 'none', points: points(undefined) };
  if (score.unit === 'textToken') {
    const found = points(first);
    return { kind: 'categories', score, index: first, points: found, categories: categoriesOf(found) };
  }
  const other = second === undefined ? undefined : scores[second];
  if (second === undefined || !other) {
    const found = points(first);
    const kind = score.cutoff?.rule === 'top-k' ? 'ranked' : 'histogram';
    return {
      kind,
      score,
      index: first,
      points: found,
      scale: scaleOf(
        score,
        found.map(({ x }) => x),
      ),
    };
  }
  const found = points(first, second);
  return {
    kind: 'scatter',
    score,
    index: first,
    second: other,
    secondIndex: second,
    points: found,
    scale: scaleOf(
      score,
      found.map(({ x }) => x),
    ),
    secondScale: scaleOf(
      other,
      found.map(({ y }) => y),
    ),
    dropRegion: dropRegion(score, other, found),
  };
}

function outcomeOf(became: number): Outcome {
  if (became === fate.merged) return 'merged';
  if (became === fate.dropped) return 'dropped';
  return became === fate.rescued ? 'rescued' : 'kept';
}

function categoriesOf(points: readonly DecisionPoint[]): readonly (readonly [number, number])[] {
  const counts = new Map<number, number>();
  for (const { x } of points) counts.set(x, (counts.get(x) ?? 0) + 1);
  return [...counts].sort(([a, many], [b, more]) => more - many || a - b);
}

/** Exact, where `10 ** -4` is not. */
const powerOfTen = (exponent: number): number => Number(`1e${exponent}`);

/** Both ends of the values and of the cut-off; orders of magnitude only where no value is negative. */
export function scaleOf({ unit, cutoff }: StageScore, values: readonly number[]): Scale {
  const all = [...values, ...(cutoff && Number.isFinite(cutoff.value) ? [cutoff.value] : [])].filter(Number.isFinite);
  const high = all.reduce((a, b) => Math.max(a, b), -Infinity);
  const low = all.reduce((a, b) => Math.min(a, b), Infinity);
  if (all.length === 0) return { low: 0, high: 1, logarithmic: false };
  const positive = all.filter(value => value > 0);
  const least = positive.reduce((a, b) => Math.min(a, b), Infinity);
  const magnitudes = unit === 'probability' || unit === 'share' || unit === 'density' || unit === 'number';
  if (magnitudes && low >= 0 && high / least > 6)
    return {
      low: powerOfTen(Math.floor(Math.log10(Math.max(least, high * 1e-6)))),
      high: powerOfTen(Math.ceil(Math.log10(high))),
      logarithmic: true,
    };
  return high > low ? { low, high, logarithmic: false } : { low: low - 0.5, high: high + 0.5, logarithmic: false };
}

/** Where a value lies, 0 to 1; what is beyond an end lies on it. */
export function along({ low, high, logarithmic }: Scale, value: number): number {
  const t = logarithmic ? Math.log(Math.max(value, low) / low) / Math.log(high / low) : (value - low) / (high - low);
  return Math.max(0, Math.min(1, t));
}

/**
 * Parts of the plane in which tokens were dropped. A stage does not say how its cut-offs work together: where both say
 * that a token goes it does, and elsewhere what became of the tokens tells.
 */
function dropRegion(first: StageScore, second: StageScore, points: readonly DecisionPoint[]): readonly Quadrant[] {
  const { cutoff: x } = first;
  const { cutoff: y } = second;
  if (!x || !y) return [];
  const goes = ({ above }: NonNullable<StageScore['cutoff']>, isOver: boolean): boolean =>
    isOver ? above === 'goes' : above === 'stays';
  const quadrants = [true, false].flatMap(aboveX => [true, false].map(aboveY => ({ aboveX, aboveY })));
  return quadrants.filter(({ aboveX, aboveY }) => {
    if (goes(x, aboveX) && goes(y, aboveY)) return true;
    const inside = points.filter(
      point => isAbove(x, point.x) === aboveX && isAbove(y, point.y) === aboveY && point.outcome !== 'rescued',
    );
    return inside.length > 0 && inside.every(({ outcome }) => outcome === 'dropped');
  });
}

/** Why tokens of a stage fared as they did: each reason with its number of tokens, in the stage's order. */
export function reasonCounts(fates: RunFates, stage: number): readonly (readonly [string, number])[] {
  const counts = new Map<string, number>();
  for (const patch of fates.tokensBefore(stage)) {
    const reason = fates.reasonOf(stage, patch);
    if (reason !== undefined) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return fates.stages[stage]!.reasons.flatMap(reason =>
    counts.has(reason) ? [[reason, counts.get(reason)!] as const] : [],
  );
}

/** How many tokens of a stage fared in which way: "44 dropped, 1 rescued". */
export function outcomeWords(points: readonly DecisionPoint[]): string {
  const order: readonly Outcome[] = ['dropped', 'merged', 'rescued'];
  const found = order.flatMap(outcome => {
    const many = points.filter(point => point.outcome === outcome).length;
    return many > 0 ? [`${many} ${outcome}`] : [];
  });
  return found.length > 0 ? found.join(', ') : 'none dropped';
}
