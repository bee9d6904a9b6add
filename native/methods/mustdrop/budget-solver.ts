/**
 * Thresholds for a number of visual tokens. Nothing published maps one to the other: counts follow from the image, so that
 * trial prefills find the pair, on the line through the published pair and zero.
 */
import { FoveaError } from '../../errors.ts';
import type { BudgetSolution, Measure, MethodSetup, Parameters } from '../method.ts';
import { meanCount, searchScale, shortNumber, type Attempt } from '../search-scale.ts';
import { thresholdsNear } from './parameters.ts';

/** Above every share and probability: only the key set stays. */
const dropAll = 1.01;
/** Logarithms of multiples of the published pair: one below every score that matters, and a step from the pair itself. */
const leastScale = Math.log(1e-3);
const step = Math.log(3);
const mostTrials = 14;

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
    ...Object.fromEntries(names.map(name => [name, Math.min(published[name] * Math.exp(scale), dropAll)])),
  });
  let trials = 0;
  let merged = Infinity;
  const attempt = async (scale: number): Promise<Attempt> => {
    trials++;
    try {
      const { entering, leaving } = await measure(at(scale));
      merged = entering[0]!;
      return { scale, leaving: meanCount(leaving), entering: meanCount(entering) };
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

  const high = await attempt(Math.log(dropAll / Math.min(...names.map(name => published[name]))));
  if (high.leaving > budget) throw impossible(budget, high.leaving, names.length < 2);
  if (merged === Infinity) await attempt(-Infinity);
  if (merged <= budget) {
    const all = { scale: -Infinity, leaving: merged, entering: merged };
    return solution(all, 'Merging alone leaves no more than the budget: the filters drop nothing.');
  }
  const low = { scale: leastScale, leaving: merged };
  return solution(await searchScale({ budget, attempt, low, high, guess: { scale: 0, step }, trials: mostTrials }));
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
