/** A method of the user's: a module in the workspace, run in a thread of its own for one request. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, extname, resolve } from 'node:path';
import { FoveaError } from '../../errors.ts';
import type { MethodHooks, ModelShape, Parameters, ParameterSpec, ParameterValue, TokenMethod } from '../method.ts';
import { checkParameter } from '../parameters.ts';
import { parseDecoderNeeds, parseVisionNeeds } from './parse-own-needs.ts';
import { parseCachePlan, parseTokenPlan } from './parse-own-plan.ts';
import type { WorkerCall } from './worker-messages.ts';
import { WorkerThread } from './worker-thread.ts';

export interface OwnMethod {
  readonly method: TokenMethod;
  readonly module: { readonly path: string; readonly digest: string };
  /** Ends the thread. */
  readonly dispose: () => Promise<void>;
}

type Fields = Readonly<Record<string, unknown>>;

const extensions = ['.mjs', '.js', '.cjs'];

/** Whether a method's name is the path of a module. */
export function isModulePath(name: string): boolean {
  return extensions.includes(extname(name).toLowerCase()) || /[/\\]/.test(name);
}

/** @throws FoveaError `usage` for a file that cannot be read, `method-failed` for one that is no method */
export async function loadOwnMethod(
  path: string,
  shape: ModelShape,
  signal?: AbortSignal,
  limitSeconds?: number,
): Promise<OwnMethod> {
  const file = resolve(path);
  if (!extensions.includes(extname(file).toLowerCase())) {
    const hint =
      'Methods are JavaScript modules (.mjs, .js, .cjs); types come from JSDoc comments, see docs/own-methods.md.';
    throw new FoveaError('usage', `${basename(file)} is no JavaScript module.`, hint);
  }
  const digest = createHash('sha256')
    .update(await readModule(file))
    .digest('hex');
  const thread = new WorkerThread(file, limitSeconds);
  const cancel = (): void => {
    thread.cancel();
  };
  signal?.addEventListener('abort', cancel);
  const dispose = async (): Promise<void> => {
    signal?.removeEventListener('abort', cancel);
    await thread.dispose();
  };
  try {
    const method = describedMethod(await thread.call('describe', shape), thread);
    return { method, module: { path: file, digest }, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function readModule(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new FoveaError('usage', `The method ${file} cannot be read.`, 'Check fovea.methods or --method.', {
      cause: error,
    });
  }
}

function describedMethod(value: unknown, thread: WorkerThread): TokenMethod {
  const fields = value as Fields;
  const { name, title, summary, source, budget, starts, resolvesBudget, parameters } = fields;
  const file = basename(thread.path);
  const fail = (problem: string): never => {
    throw new FoveaError('method-failed', `${file} ${problem}.`, 'docs/own-methods.md shows what a method is made of.');
  };
  if (typeof name !== 'string' || !/^[a-z0-9][a-z0-9-]*$/.test(name)) {
    return fail('has no name of lower-case letters, digits and hyphens');
  }
  if (starts !== true) return fail('has no function start()');
  if (budget !== undefined && budget !== 'entering' && budget !== 'leaving') {
    return fail('has a budget that is neither "entering" nor "leaving"');
  }
  const shown = typeof title === 'string' ? title : name;
  const specs = (parameters as readonly unknown[]).map(parameter => parseParameter(parameter, fail));
  return {
    name,
    title: shown,
    summary: typeof summary === 'string' ? summary : '',
    source: typeof source === 'string' ? source : file,
    variants: ['code'],
    // It says what it needs when it starts, which is too late to refuse the run.
    readsAllRows: () => true,
    parameters: specs,
    ...(budget !== undefined && { budget }),
    ...(resolvesBudget === true && {
      resolveBudget: async (asked, setup) => {
        const solution = await thread.call('resolveBudget', { budget: asked, setup });
        const given = (solution as Fields | undefined)?.['parameters'];
        if (typeof given !== 'object' || given === null) return fail('returned no parameters from resolveBudget()');
        const solved = Object.entries(given as Fields).map(([key, value]) => {
          const spec = specs.find(one => one.name === key) ?? fail(`returned an unknown ${key} from resolveBudget()`);
          return [
            key,
            legalValue(spec, value, problem => fail(`returned from resolveBudget() what is wrong: ${problem}`)),
          ];
        });
        return { parameters: { ...setup.parameters, ...(Object.fromEntries(solved) as Parameters) } };
      },
    }),
    start: async setup => hooksOf(await thread.call('start', setup), thread, shown, setup.shape),
  };
}

const kinds = ['number', 'integer', 'flag', 'choice', 'layers', 'numbers'] as const;

function parseParameter(parameter: unknown, fail: (problem: string) => never): ParameterSpec {
  const { name, title, kind, least, most, choices, meaning, default: preset } = (parameter ?? {}) as Fields;
  const known = kinds.find(each => each === kind);
  if (typeof name !== 'string' || known === undefined || preset === undefined) {
    return fail(`has a parameter without a name, a default or a kind (${kinds.join(', ')})`);
  }
  const spec = {
    name,
    title: typeof title === 'string' ? title : name,
    kind: known,
    meaning: typeof meaning === 'string' ? meaning : '',
    ...(typeof least === 'number' && { least }),
    ...(typeof most === 'number' && { most }),
    ...(Array.isArray(choices) && { choices: choices.map(String) }),
  };
  const value = legalValue(spec, preset, problem => fail(`has a default that is wrong: ${problem}`));
  return { ...spec, default: () => value };
}

/** A trace holds it as JSON, which has no NaN and no infinity. */
function legalValue(
  spec: Omit<ParameterSpec, 'default'>,
  value: unknown,
  fail: (problem: string) => never,
): ParameterValue {
  try {
    return checkParameter(spec, value as ParameterValue);
  } catch (error) {
    if (error instanceof FoveaError) return fail(error.message.replace(/\.$/, ''));
    throw error;
  }
}

function hooksOf(value: unknown, thread: WorkerThread, title: string, { vision, decoder }: ModelShape): MethodHooks {
  const fields = value as Fields;
  const functions = fields['functions'] as readonly string[];
  const where = (call: WorkerCall): string => `${basename(thread.path)}, ${call}()`;
  const tokenHook = (call: 'visionLayer' | 'beforeDecoder' | 'decoderLayer') =>
    functions.includes(call) && {
      [call]: async (view: unknown) => parseTokenPlan(await thread.call(call, view), where(call), title),
    };
  const { visionNeeds, decoderNeeds, proportionalAttention, decodePositions } = fields;
  return {
    ...((visionNeeds ?? undefined) !== undefined && {
      visionNeeds: parseVisionNeeds(visionNeeds, vision.layers, where('start')),
    }),
    ...((decoderNeeds ?? undefined) !== undefined && {
      decoderNeeds: parseDecoderNeeds(decoderNeeds, decoder.layers, where('start')),
    }),
    ...(proportionalAttention === true && { proportionalAttention }),
    ...(decodePositions === 'cache-length' && { decodePositions }),
    ...tokenHook('visionLayer'),
    ...tokenHook('beforeDecoder'),
    ...tokenHook('decoderLayer'),
    ...(functions.includes('afterPrefill') && {
      afterPrefill: async view => parseCachePlan(await thread.call('afterPrefill', view), where('afterPrefill'), title),
    }),
  };
}
