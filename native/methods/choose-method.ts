/** From what a request asks for to a method that is ready to start. */
import { FoveaError } from '../errors.ts';
import type { MethodRequest } from '../rpc.ts';
import type { MethodSetup, MethodVariant, ModelShape, Parameters, TokenMethod } from './method.ts';
import { completeParameters } from './parameters.ts';
import { findMethod } from './registry.ts';

export interface ChosenMethod {
  readonly method: TokenMethod;
  readonly setup: MethodSetup;
  /** Visual tokens that were asked for, where any were. */
  readonly budget?: number;
  /** What `resolveBudget` had to say. */
  readonly notes: readonly string[];
}

/** @throws FoveaError `usage` or `budget-impossible` */
export function chooseMethod(request: MethodRequest, shape: ModelShape, text: MethodSetup['text']): ChosenMethod {
  const method = findMethod(request.name);
  const variant = variantOf(method, request.variant);
  const parameters = completeParameters(method, request.parameters ?? {}, shape, variant);
  const given = Object.keys(request.parameters ?? {});
  const setup: MethodSetup = { shape, variant, parameters, given, text };
  const { budget } = request;
  if (budget === undefined) return { method, setup, notes: [] };
  checkBudget(method, budget, shape);
  const solution = method.resolveBudget?.(budget, setup);
  if (!solution) return { method, setup, budget, notes: [] };
  const resolved = kept(solution.parameters, request.parameters ?? {}, parameters);
  return { method, setup: { ...setup, parameters: resolved }, budget, notes: solution.notes ?? [] };
}

/** What the user set by hand is stronger than what a budget implies. */
function kept(solved: Parameters, given: Parameters, complete: Parameters): Parameters {
  return Object.fromEntries(
    Object.entries(solved).map(([name, value]) => [name, Object.hasOwn(given, name) ? complete[name]! : value]),
  );
}

function variantOf(method: TokenMethod, asked: string | undefined): MethodVariant {
  const [first] = method.variants;
  const variant = asked === undefined ? first : method.variants.find(known => known === asked);
  if (variant) return variant;
  throw new FoveaError(
    'usage',
    `${method.title} has no variant "${String(asked)}".`,
    `Its variants: ${method.variants.join(', ')}.`,
  );
}

function checkBudget(method: TokenMethod, budget: number, { grid }: ModelShape): void {
  const patches = grid.rows * grid.columns;
  if (!method.budget) {
    throw new FoveaError(
      'usage',
      `${method.title} takes no budget.`,
      'Leave the budget out, or choose another method.',
    );
  }
  if (!Number.isSafeInteger(budget) || budget < 1 || budget > patches) {
    throw new FoveaError(
      'budget-impossible',
      `A budget of ${budget} visual tokens is impossible: the image has ${patches}.`,
      `Choose a whole number from 1 to ${patches}.`,
    );
  }
}
