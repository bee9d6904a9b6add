/** Which methods run at which budgets, from what was asked for. */
import { basename } from 'node:path';
import { type EvaluationCondition, unprunedId } from '../../trace/evaluation/evaluation.ts';
import type { ParameterValue } from '../../trace/schema.ts';
import { FoveaError } from '../errors.ts';

/** What conditions need to know of a method; the registry's methods have it. */
export interface EvaluableMethod {
  /** As it is asked for; of a module of the user's, its path as it was written. */
  readonly name: string;
  readonly title: string;
  readonly variants: readonly ('code' | 'paper')[];
  /** How a budget is counted; absent where none can be asked for. */
  readonly budget?: 'entering' | 'leaving';
  readonly module?: { readonly path: string; readonly digest: string };
}

export interface ConditionOrder {
  /** "name", "name:variant", "name+name" or a module's path, and any with parameters of its own: "name[key=value key=value]". */
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
  const names = wanted.map(method => parseMethod(method)?.name);
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
  const parsed = parseMethod(text);
  const { variant: asked } = parsed ?? {};
  const method = parsed && evaluable(parsed.name, known);
  const names = [unprunedId, ...known.map(one => one.name).filter(one => one !== unprunedId)].join(', ');
  if (!method) {
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
  const own = { ...parameters[method.name], ...parsed.parameters };
  const base = {
    method: method.module?.path ?? method.name,
    title: Object.keys(own).length === 0 ? title : `${title}, ${parameterText(own)}`,
    ...(chosen !== undefined && { variant: chosen }),
    parameters: own,
  };
  const shortName = method.module ? moduleName(method.module) : method.name;
  const name = asked === undefined ? shortName : `${shortName}:${asked}`;
  const label = Object.keys(own).length === 0 ? name : `${name}[${parameterText(own)}]`;
  if (budgets === undefined || method.budget === undefined) return [{ id: label, ...base }];
  const counted = method.budget;
  return budgets.map(budget => ({ id: `${label}@${budget}`, ...base, budget, counted }));
}

/** A method, or two of the registry that run together: variants and budget are then the first one's. */
function evaluable(name: string, known: readonly EvaluableMethod[]): EvaluableMethod | undefined {
  const single = known.find(one => one.name === name);
  const plus = name.lastIndexOf('+');
  if (single !== undefined || plus < 0) return single;
  const [first, second] = [name.slice(0, plus), name.slice(plus + 1)].map(part => known.find(one => one.name === part));
  if (!first || !second) return undefined;
  return { ...first, name, title: `${first.title} + ${second.title}` };
}

/** Answers of a module are those of its content: edited, it is another condition, and nothing old is taken for it. */
function moduleName({ path, digest }: NonNullable<EvaluableMethod['module']>): string {
  return `${basename(path)}#${digest.slice(0, 8)}`;
}

/** What stands for a module at the start of a condition's id. */
export const moduleMark = /^[^[]*#[0-9a-f]{8}/;

/** @returns undefined for what is not written like a method */
export function parseMethod(
  text: string,
): { name: string; variant: string | undefined; parameters: Readonly<Record<string, string>> } | undefined {
  const match = /^((?:[a-z]:(?=[\\/]))?[^:[\]]+)(?::([^:[\]]+))?(?:\[(.*)\])?$/i.exec(text);
  if (!match) return undefined;
  const [, name, variant, settings = ''] = match;
  const pairs = settings.split(/\s+/).filter(pair => pair !== '');
  if (!pairs.every(pair => /^[^=]+=/.test(pair))) return undefined;
  const parameters = Object.fromEntries(pairs.map(pair => [pair.split('=')[0]!, pair.slice(pair.indexOf('=') + 1)]));
  return { name: name!, variant, parameters };
}

function parameterText(parameters: Readonly<Record<string, ParameterValue>>): string {
  return Object.entries(parameters)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ');
}
