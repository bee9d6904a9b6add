import type { MethodDescription, ParameterValue } from '../../trace/schema.ts';
import type { PanelMethod, PanelParameter, RunAgain } from '../messages.ts';

/** A value as the user writes it: lists with commas. */
function writtenValue(value: ParameterValue): string {
  return typeof value === 'object' ? value.join(', ') : String(value);
}

/** By which a request names the method of a run: a module by its path. */
export const requestName = ({ name, module }: MethodDescription): string => module?.path ?? name;

/** The method of a run as far as its trace tells of it: enough to change what it was run with. */
export function methodOfRun(method: MethodDescription): PanelMethod {
  return {
    name: requestName(method),
    title: method.title ?? method.name,
    summary: '',
    variants: method.variant ? [method.variant] : [],
    budget: method.budget?.counted ?? 'entering',
    parameters: Object.entries(method.parameters).map(([name, value]): PanelParameter => ({
      name,
      title: name,
      kind: typeof value === 'boolean' ? 'flag' : typeof value === 'number' ? 'number' : 'choice',
      meaning: '',
    })),
  };
}

/** What the fields hold before anything is changed: what ran, for the method that ran; else the defaults, left blank. */
export function firstText(parameter: PanelParameter, method: string, ran: MethodDescription): string {
  const value = method === requestName(ran) ? ran.parameters[parameter.name] : undefined;
  return value === undefined ? '' : writtenValue(value);
}

export interface RunDraft {
  readonly method: PanelMethod;
  readonly variant: string;
  readonly budget: string;
  /** What the fields hold, by name. */
  readonly texts: Readonly<Record<string, string>>;
}

/**
 * What to run; the method that ran, with the one that ran beside it. With a budget only what was set by hand, now or before, is sent, since the rest is to follow from the budget; without
 * one, everything that the fields hold.
 * @returns what is wrong with the draft, as text
 */
export function requestOf(draft: RunDraft, ran: MethodDescription, patches: number): RunAgain | string {
  const { method } = draft;
  const budget = draft.budget.trim();
  const tokens = Number(budget);
  if (budget !== '' && !(Number.isSafeInteger(tokens) && tokens >= 1 && tokens <= patches))
    return `A budget is a whole number of visual tokens from 1 to ${patches}.`;
  const parameters: Record<string, string> = {};
  for (const parameter of method.parameters) {
    const text = (draft.texts[parameter.name] ?? '').trim();
    const changed = text !== firstText(parameter, method.name, ran);
    const setBefore = method.name === requestName(ran) && (ran.given ?? []).includes(parameter.name);
    if (changed || setBefore || budget === '') if (text !== '') parameters[parameter.name] = text;
  }
  const variant = method.variants.find(known => known === draft.variant);
  const beside = method.name === requestName(ran) ? ran.beside : undefined;
  for (const [name, value] of Object.entries(beside?.parameters ?? {}))
    parameters[`${beside!.name}.${name}`] = writtenValue(value);
  if (beside?.variant) parameters[`${beside.name}.variant`] = beside.variant;
  return {
    method: beside ? `${method.name}+${beside.name}` : method.name,
    ...(variant && { variant }),
    ...(budget !== '' && { budget: tokens }),
    parameters,
  };
}
