/**
 * Thresholds for a number of visual tokens. Nothing published maps one to the other: counts follow from the image, so that
 * trial prefills find the pair, by halving intervals on the line through the published pair and zero.
 */
import { FoveaError } from '../../errors.ts';
import type { BudgetSolution, Measure, MethodSetup, Parameters } from '../method.ts';
import { thresholdsNear } from './parameters.ts';

/** Above every share and probability: only the key set stays. */
const dropAll = 1.01;
/** Of the published pair: below every score that matters. */
const leastScale = 1e-3;
const mostTrials = 16;
/** Visual tokens under the budget that are near enough. */
const tolerance = 0.5;
/** Scales this near are the same. */
const nearness = 1.001;

/** Counted as the official code prints it: mean over layers of what leaves them. @throws FoveaError `budget-impossible` or `usage` */
export async function solveThresholds(
  budget: number,
  { shape, parameters, given = [] }: MethodSetup,
  measure: Measure,
): Promise<BudgetSolution> {
  const published = thresholdsNear(budget, shape);
  const names = (['globalThreshold', 'localThreshold'] as const).filter(name => !given.includes(name));
  if (names.length === 0) {
    throw new FoveaError(
      'usage',
      'A budget sets the thresholds of MustDrop, but both are given.',
      'Leave out the budget, or one of globalThreshold and localThreshold.',
    );
  }
  const at = (scale: number): Parameters => ({
    ...parameters,
    ...Object.fromEntries(names.map(name => [name, Math.min(published[name] * scale, dropAll)])),
  });
  let trials = 0;
  const attempt = async (scale: number): Promise<Attempt> => {
    trials++;
    try {
      const { entering, leaving } = await measure(at(scale));
      return { scale, leaving: mean(leaving), entering: mean(entering) };
    } catch (error) {
      // Without a key set, high thresholds drop everything.
      if (error instanceof FoveaError && error.code === 'usage') return { scale, leaving: 0, entering: 0 };
      throw error;
    }
  };
  const solution = ({ scale, leaving, entering }: Attempt, remark?: string): BudgetSolution => {
    const found = at(scale);
    const pair = names.map(name => `${name} ${shortNumber(Number(found[name]))}`).join(', ');
    return {
      parameters: found,
      notes: [
        `Thresholds for this image, found by ${trials} trial prefills: ${pair}. Visual tokens, mean over layers: ${shortNumber(leaving)} leave (the budget), ${shortNumber(entering)} enter.`,
        ...(remark === undefined ? [] : [remark]),
      ],
    };
  };

  const most = await attempt(0);
  if (most.leaving <= budget) {
    return solution(most, 'Merging alone leaves no more than the budget: the filters drop nothing.');
  }
  let high = dropAll / Math.min(...names.map(name => published[name]));
  let best = await attempt(high);
  if (best.leaving > budget) throw impossible(budget, best.leaving, names.length < 2);
  let low = leastScale;
  while (trials < mostTrials && budget - best.leaving > tolerance && high / low > nearness) {
    const next = await attempt(Math.sqrt(low * high));
    if (next.leaving > budget) low = next.scale;
    else {
      high = next.scale;
      if (next.leaving > best.leaving) best = next;
    }
  }
  return solution(best);
}

interface Attempt {
  readonly scale: number;
  /** Visual tokens leaving and entering a layer, mean over layers. */
  readonly leaving: number;
  readonly entering: number;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function impossible(budget: number, least: number, held: boolean): FoveaError {
  const floor = Math.ceil(least);
  const ways = 'lower similarityThreshold so that more windows merge, lower keyShare, or filter after an earlier layer';
  return new FoveaError(
    'budget-impossible',
    `MustDrop cannot go down to ${budget} visual tokens on this image: ${held ? 'with the threshold that is set' : 'with only the key set kept'}, ${shortNumber(least)} leave a layer on average.`,
    `Ask for ${floor} or more; or ${held ? 'leave both thresholds free, ' : ''}${ways}.`,
  );
}

function shortNumber(value: number): string {
  return String(Number(value.toPrecision(4)));
}
