/** From what a request asks for to a method that is ready to start. */
import { FoveaError } from '../errors.ts';
import type { MethodRequest } from '../rpc.ts';
import type { CrossAttentionPlan } from './high-resolution/cross-attention-plan.ts';
import type { HighResolutionPlan } from './high-resolution/plan.ts';
import type { MethodSetup, MethodVariant, ModelShape, Parameters, TokenMethod } from './method.ts';
import { completeParameters } from './parameters.ts';
import { isModulePath, loadOwnMethod, type OwnMethod } from './own/own-method.ts';
import { findMethod } from './registry.ts';

export interface ChosenMethod {
  readonly method: TokenMethod;
  readonly setup: MethodSetup;
  /** Visual tokens that were asked for, where any were. */
  readonly budget?: number;
  /** What `resolveBudget` had to say. */
  readonly notes: readonly string[];
  /** Where the method itself, or the one beside it, fetches high-resolution tokens. */
  readonly highResolution?: HighResolutionPlan;
  /** Where text rows read a long visual input. */
  readonly crossAttention?: CrossAttentionPlan;
  readonly beside?: { readonly method: TokenMethod; readonly setup: MethodSetup };
  /** Where the method is the user's own. */
  readonly module?: OwnMethod['module'];
  /** Gives back what it holds, if anything. */
  readonly dispose?: () => Promise<void>;
}

/** Pixels at each side of the image that the method wants in the sequence; undefined for the model's own. @throws FoveaError `usage` */
export function imageSideOf(request: MethodRequest, shape: ModelShape): number | undefined {
  const [name = ''] = namesOf(request);
  if (isModulePath(name)) return undefined;
  const method = findMethod(name);
  return method.imageSide?.(completeParameters(method, request.parameters ?? {}, shape, method.variants[0]!));
}

/** Whether a request needs the weights that read high-resolution tokens. @throws FoveaError `usage` */
export function fetchesHighResolution(request: MethodRequest): boolean {
  return namesOf(request).some(name => !isModulePath(name) && findMethod(name).fetchesHighResolution === true);
}

/** Whether a request needs weights of cross-attention. @throws FoveaError `usage` */
export function readsCrossAttention(request: MethodRequest): boolean {
  return namesOf(request).some(name => !isModulePath(name) && findMethod(name).readsCrossAttention === true);
}

/** @throws FoveaError `usage` */
function namesOf({ name }: MethodRequest): readonly string[] {
  // Only what follows the last "+" of a path is a method: folders may have one in their names.
  const second = isModulePath(name) ? (/\+([a-z-]+)$/.exec(name)?.[1] ?? '') : undefined;
  if (second === '') return [name];
  if (second !== undefined) return [name.slice(0, -second.length - 1), second];
  const names = name.split('+').map(part => part.trim());
  if (names.length <= 2) return names;
  throw new FoveaError('usage', `${name} are too many methods at once.`, 'Two run together, e.g. fastv+flexattention.');
}

/** Parameters of the first method, and those that carry the second one's name. */
function splitParameters(given: Parameters, second: string | undefined): { own: Parameters; beside: Parameters } {
  if (second === undefined) return { own: given, beside: {} };
  const prefix = `${second}.`;
  const entries = Object.entries(given);
  return {
    own: Object.fromEntries(entries.filter(([name]) => !name.startsWith(prefix))),
    beside: Object.fromEntries(
      entries.filter(([name]) => name.startsWith(prefix)).map(([name, value]) => [name.slice(prefix.length), value]),
    ),
  };
}

/**
 * @param request its name may be the path of the user's own module
 * @param signal ends what runs of that module
 * @throws FoveaError `usage`, `budget-impossible` or `method-failed`
 */
export async function chooseMethod(
  request: MethodRequest,
  shape: ModelShape,
  text: MethodSetup['text'],
  signal?: AbortSignal,
): Promise<ChosenMethod> {
  const [name = ''] = namesOf(request);
  if (!isModulePath(name)) return settle(findMethod(name), request, shape, text);
  const own = await loadOwnMethod(name, shape, signal);
  try {
    return { ...(await settle(own.method, request, shape, text)), module: own.module, dispose: own.dispose };
  } catch (error) {
    await own.dispose();
    throw error;
  }
}

async function settle(
  method: TokenMethod,
  request: MethodRequest,
  shape: ModelShape,
  text: MethodSetup['text'],
): Promise<ChosenMethod> {
  const [, second] = namesOf(request);
  const asked = splitParameters(request.parameters ?? {}, second);
  const variant = variantOf(method, request.variant);
  const parameters = completeParameters(method, asked.own, shape, variant);
  const given = Object.keys(asked.own);
  const setup: MethodSetup = { shape, variant, parameters, given, text };
  const high = await highResolutionOf(method, setup, second, asked.beside);
  const { budget } = request;
  if (budget === undefined) return { method, setup, notes: [], ...high };
  checkBudget(method, budget, shape);
  const solution = await method.resolveBudget?.(budget, setup);
  if (!solution) return { method, setup, budget, notes: [], ...high };
  requireAgreement(method, budget, solution.parameters, given, parameters);
  return {
    method,
    setup: { ...setup, parameters: solution.parameters },
    budget,
    notes: solution.notes ?? [],
    ...high,
  };
}

/** @throws FoveaError `usage` for methods that do not go together */
async function highResolutionOf(
  method: TokenMethod,
  setup: MethodSetup,
  besideName: string | undefined,
  besideParameters: Parameters,
): Promise<Pick<ChosenMethod, 'highResolution' | 'crossAttention' | 'beside'>> {
  if (besideName === undefined) {
    if (!method.fetchesHighResolution && !method.readsCrossAttention) return {};
    const { highResolution, crossAttention } = await method.start(setup);
    return { ...(highResolution && { highResolution }), ...(crossAttention && { crossAttention }) };
  }
  const second = findMethod(besideName);
  const refused = (reason: string, hint: string): FoveaError =>
    new FoveaError('usage', `${second.title} does not run beside ${method.title}: ${reason}`, hint);
  if (second.refusesBeside !== undefined) {
    throw refused(second.refusesBeside, `Run ${second.name} alone.`);
  }
  if (!second.fetchesHighResolution) {
    throw refused('only methods that fetch high-resolution tokens run beside another.', 'For example: flexattention');
  }
  if (method.fetchesHighResolution) throw refused('both fetch.', `Choose ${second.name} as the method alone.`);
  if (method.refusesHighResolution !== undefined) {
    throw refused(method.refusesHighResolution, 'Choose a method whose tokens stay where they are in the image.');
  }
  const { shape, text } = setup;
  const { variant: asked, ...others } = besideParameters;
  const variant = variantOf(second, asked === undefined ? undefined : String(asked));
  const parameters = completeParameters(second, others, shape, variant);
  const given = Object.keys(others);
  const besideSetup: MethodSetup = { shape, variant, parameters, given, text };
  const plan = (await second.start(besideSetup)).highResolution;
  return { beside: { method: second, setup: besideSetup }, ...(plan && { highResolution: plan }) };
}

/** A budget cannot be met beside a parameter that says otherwise. @throws FoveaError `usage` */
function requireAgreement(
  method: TokenMethod,
  budget: number,
  solved: Parameters,
  given: readonly string[],
  complete: Parameters,
): void {
  const other = given.find(name => String(solved[name]) !== String(complete[name]));
  if (other === undefined) return;
  throw new FoveaError(
    'usage',
    `A budget of ${budget} means ${other} = ${String(solved[other])} for ${method.title}, but ${other} is set to ${String(complete[other])}.`,
    `Leave out the budget, or ${other}.`,
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
