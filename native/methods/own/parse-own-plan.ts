/** What a user's function returned, checked before anything trusts it. */
import { FoveaError } from '../../errors.ts';
import type { CachePlan, PlanRecord, PlanScore, TokenGroup, TokenPlan } from '../method.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** @param where the function, for the error @throws FoveaError `method-failed` */
export function parseTokenPlan(value: unknown, where: string, title: string): TokenPlan | undefined {
  if (value === undefined || value === null) return undefined;
  const fields = requireFields(value, where);
  const { keep, tokens, positions } = fields;
  if (keep !== undefined && tokens !== undefined) throw badAnswer(where, 'has both keep and tokens');
  if (positions !== undefined && positions !== 'renumbered' && positions !== 'original') {
    throw badAnswer(where, `has positions ${JSON.stringify(positions)} instead of "renumbered" or "original"`);
  }
  const kept = keep === undefined ? undefined : indices(keep, 'keep', where);
  const groups = tokens === undefined ? kept?.map(member => ({ members: [member] })) : parseGroups(tokens, where);
  return {
    ...parseRecord(fields, where, title),
    ...(groups && { tokens: groups }),
    ...(positions !== undefined && { positions }),
  };
}

/** @throws FoveaError `method-failed` */
export function parseCachePlan(value: unknown, where: string, title: string): CachePlan | undefined {
  if (value === undefined || value === null) return undefined;
  const fields = requireFields(value, where);
  const { fromLayer, kept } = fields;
  if (typeof fromLayer !== 'number') throw badAnswer(where, 'has no number fromLayer');
  return { ...parseRecord(fields, where, title), fromLayer, kept: indices(kept, 'kept', where) };
}

function parseRecord(fields: Fields, where: string, title: string): PlanRecord {
  const { id, scores, reasons, reasonOf, rescued, keySet, partnerOf, raters, notes } = fields;
  return {
    id: typeof id === 'string' ? id : 'own',
    title: typeof fields['title'] === 'string' ? fields['title'] : title,
    ...(scores !== undefined && { scores: list(scores, 'scores', where).map(score => parseScore(score, where)) }),
    ...(reasons !== undefined && { reasons: list(reasons, 'reasons', where).map(String) }),
    ...(reasonOf !== undefined && { reasonOf: numbers(reasonOf, 'reasonOf', where) }),
    ...(rescued !== undefined && { rescued: indices(rescued, 'rescued', where) }),
    ...(keySet !== undefined && { keySet: indices(keySet, 'keySet', where) }),
    ...(partnerOf !== undefined && { partnerOf: numbers(partnerOf, 'partnerOf', where) }),
    ...(raters !== undefined && { raters: indices(raters, 'raters', where) }),
    ...(notes !== undefined && { notes: list(notes, 'notes', where).map(String) }),
  };
}

const units = ['probability', 'share', 'cosine', 'count', 'distance', 'density', 'textToken', 'number'] as const;

function parseScore(value: unknown, where: string): PlanScore {
  const { name, title, unit, values, cutoff } = requireFields(value, `a score of ${where}`);
  if (typeof name !== 'string' || name === '') throw badAnswer(where, 'has a score without a name');
  return {
    name,
    title: typeof title === 'string' ? title : name,
    unit: units.find(known => known === unit) ?? 'number',
    values: numbers(values, `values of "${name}"`, where),
    ...(cutoff !== undefined && { cutoff: parseCutoff(cutoff, name, where) }),
  };
}

function parseCutoff(value: unknown, name: string, where: string): NonNullable<PlanScore['cutoff']> {
  const fields = typeof value === 'number' ? { value } : requireFields(value, `the cutoff of "${name}"`);
  const { value: at, above, inclusive, rule } = fields;
  if (typeof at !== 'number' || !Number.isFinite(at))
    throw badAnswer(where, `has a cutoff of "${name}" that is no number`);
  return {
    value: at,
    above: above === 'merges' || above === 'goes' ? above : 'stays',
    inclusive: inclusive !== false,
    rule: rule === 'top-k' ? 'top-k' : 'threshold',
  };
}

function parseGroups(value: unknown, where: string): TokenGroup[] {
  return list(value, 'tokens', where).map((group, index) => {
    const fields = Array.isArray(group)
      ? { members: group as unknown[] }
      : requireFields(group, `token ${index} of ${where}`);
    const { members, weights } = fields;
    return {
      members: indices(members, `members of token ${index}`, where),
      ...(weights !== undefined && { weights: Array.from(numbers(weights, `weights of token ${index}`, where)) }),
    };
  });
}

export function requireFields(value: unknown, where: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw badAnswer(where, `is ${value === null ? 'null' : typeof value} and no object`);
}

function list(value: unknown, name: string, where: string): readonly unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  throw badAnswer(where, `has ${name} that are no list`);
}

function numbers(value: unknown, name: string, where: string): ArrayLike<number> {
  const values: readonly unknown[] = ArrayBuffer.isView(value)
    ? Array.from(value as Float64Array)
    : list(value, name, where);
  if (values.every(each => typeof each === 'number')) return values;
  throw badAnswer(where, `has ${name} that are not all numbers`);
}

function indices(value: unknown, name: string, where: string): number[] {
  const found = Array.from(numbers(value, name, where));
  if (found.every(Number.isSafeInteger)) return found;
  throw badAnswer(where, `has ${name} that are not all whole numbers`);
}

export function badAnswer(where: string, problem: string): FoveaError {
  return new FoveaError(
    'method-failed',
    `What ${where} returned ${problem}.`,
    'docs/own-methods.md says what a plan may hold. Correct the method and save it.',
  );
}
