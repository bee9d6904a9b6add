/** Which methods run at which budgets, from what was asked for. */
import { type EvaluationCondition, unprunedId } from '../../trace/evaluation/evaluation.ts';
import type { ParameterValue } from '../../trace/schema.ts';
import { FoveaError } from '../errors.ts';

/** What conditions need to know of a method; the registry's methods have it. */
export interface EvaluableMethod {
  readonly name: string;
  readonly title: string;
  readonly variants: readonly ('code' | 'paper')[];
  /** How a budget is counted; absent where none can be asked for. */
  readonly budget?: 'entering' | 'leaving';
}

export interface ConditionOrder {
  /** "name" or "name:variant". */
  readonly methods: readonly string[];
  /** Visual tokens. None: each method runs once with its own parameters. */
  readonly budgets: readonly number[];
  /** By method name. */
  readonly parameters?: Readonly<Record<string, Readonly<Record<string, ParameterValue>>>>;
}

/**
 * No pruning first, then method by method, large budgets first. A budget of all visual tokens or more is no pruning, and
 * that runs anyway. @throws FoveaError `usage` for what is not known
 */
export function planConditions(
  { methods, budgets, parameters = {} }: ConditionOrder,
  known: readonly EvaluableMethod[],
  visualTokens: number,
): EvaluationCondition[] {
  const wanted = [...new Set(methods)].filter(method => method !== unprunedId);
  const smaller = [...new Set(budgets)].filter(budget => budget < visualTokens).sort((a, b) => b - a);
  const names = wanted.map(method => method.split(':')[0]!);
  const stray = Object.keys(parameters).find(name => !names.includes(name));
  if (stray !== undefined) {
    throw new FoveaError('usage', `Parameters are set for "${stray}", which does not run.`, 'Add it to the methods.');
  }
  return [
    { id: unprunedId, method: unprunedId, title: 'No pruning', parameters: {} },
    ...wanted.flatMap(text => conditionsOf(text, budgets.length === 0 ? undefined : smaller, parameters, known)),
  ];
}

function conditionsOf(
  text: string,
  budgets: readonly number[] | undefined,
  parameters: NonNullable<ConditionOrder['parameters']>,
  known: readonly EvaluableMethod[],
): EvaluationCondition[] {
  const [name, asked, ...rest] = text.split(':');
  const method = known.find(one => one.name === name);
  const names = [unprunedId, ...known.map(one => one.name).filter(one => one !== unprunedId)].join(', ');
  if (!method || rest.length > 0) {
    throw new FoveaError('usage', `There is no method "${text}".`, `Methods: ${names}.`);
  }
  const variant = asked === undefined ? undefined : method.variants.find(one => one === asked);
  if (asked !== undefined && variant === undefined) {
    const hint = `Variants of ${method.name}: ${method.variants.join(', ') || 'none'}.`;
    throw new FoveaError('usage', `${method.title} has no variant "${asked}".`, hint);
  }
  const chosen = variant ?? method.variants[0];
  // A variant is told only where there is a choice: the default one bears the method's name alone.
  const title = method.variants.length > 1 && variant !== undefined ? `${method.title} (${variant})` : method.title;
  const own = parameters[method.name] ?? {};
  const base = {
    method: method.name,
    title: withParameters(title, own),
    ...(chosen !== undefined && { variant: chosen }),
    parameters: own,
  };
  const label = withParameters(text, own);
  if (budgets === undefined || method.budget === undefined) return [{ id: label, ...base }];
  const counted = method.budget;
  return budgets.map(budget => ({ id: `${label}@${budget}`, ...base, budget, counted }));
}

function withParameters(label: string, parameters: Readonly<Record<string, ParameterValue>>): string {
  const set = Object.entries(parameters)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, value]) => `${name}=${String(value)}`);
  return set.length === 0 ? label : `${label}[${set.join(' ')}]`;
}
