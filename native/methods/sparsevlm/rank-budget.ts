/** The publication's lambda for a number of visual tokens: ranks follow from the image, so trial prefills find it. */
import { FoveaError } from '../../errors.ts';
import type { BudgetSolution, Measure, MethodSetup } from '../method.ts';
import { meanCount, searchScale, shortNumber, type Attempt } from '../search-scale.ts';

const mostTrials = 12;

/** @throws FoveaError `budget-impossible` or `usage` */
export async function solveLambda(
  budget: number,
  { parameters, given = [] }: MethodSetup,
  measure: Measure,
): Promise<BudgetSolution> {
  if (given.includes('lambda')) {
    throw new FoveaError('usage', 'A budget sets lambda, but lambda is given.', 'Leave out one of them.');
  }
  let trials = 0;
  let all = Infinity;
  const attempt = async (lambda: number): Promise<Attempt> => {
    trials++;
    const { entering, leaving } = await measure({ ...parameters, lambda });
    all = entering[0]!;
    return { scale: lambda, leaving: meanCount(leaving), entering: meanCount(entering) };
  };
  const high = await attempt(1);
  if (high.leaving > budget) {
    throw new FoveaError(
      'budget-impossible',
      `SparseVLM by rank cannot go down to ${budget} visual tokens on this image: with lambda 1, ${shortNumber(high.leaving)} leave a layer on average.`,
      `Ask for ${Math.ceil(high.leaving)} or more, prune after an earlier layer, or set deletion to table.`,
    );
  }
  const low = { scale: 0, leaving: all };
  const { scale, leaving, entering } = await searchScale({ budget, attempt, low, high, trials: mostTrials });
  return {
    parameters: { ...parameters, lambda: scale },
    notes: [
      `Lambda for this image, found by ${trials} trial prefills: ${shortNumber(scale)}. Visual tokens, mean over layers: ${shortNumber(leaving)} leave (the budget), ${shortNumber(entering)} enter.`,
    ],
  };
}
