/** A method of the user's: a module in the workspace, run in a thread of its own for one request. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, extname, resolve } from 'node:path';
import { FoveaError } from '../../errors.ts';
import type { MethodHooks, ModelShape, ParameterSpec, TokenMethod } from '../method.ts';
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
  return {
    name,
    title: shown,
    summary: typeof summary === 'string' ? summary : '',
    source: typeof source === 'string' ? source : file,
    variants: ['code'],
    // It says what it needs when it starts, which is too late to refuse the run.
    readsAllRows: () => true,
    parameters: (parameters as readonly unknown[]).map(parameter => parseParameter(parameter, fail)),
    ...(budget !== undefined && { budget }),
    ...(resolvesBudget === true && {
      resolveBudget: async (asked, setup) => {
        const solution = await thread.call('resolveBudget', { budget: asked, setup });
        const given = (solution as Fields | undefined)?.['parameters'];
        if (typeof given !== 'object' || given === null) return fail('returned no parameters from resolveBudget()');
        return { parameters: { ...setup.parameters, ...(given as TokenMethodParameters) } };
      },
    }),
    start: async setup => hooksOf(await thread.call('start', setup), thread, shown, setup.shape),
  };
}

type TokenMethodParameters = Parameters<TokenMethod['start']>[0]['parameters'];

const kinds = ['number', 'integer', 'flag', 'choice', 'layers', 'numbers'] as const;

function parseParameter(value: unknown, fail: (problem: string) => never): ParameterSpec {
  const { name, title, kind, least, most, choices, meaning, default: preset } = (value ?? {}) as Fields;
  const known = kinds.find(each => each === kind);
  if (typeof name !== 'string' || known === undefined || preset === undefined) {
    return fail(`has a parameter without a name, a default or a kind (${kinds.join(', ')})`);
  }
  return {
    name,
    title: typeof title === 'string' ? title : name,
    kind: known,
    meaning: typeof meaning === 'string' ? meaning : '',
    default: () => preset as ReturnType<ParameterSpec['default']>,
    ...(typeof least === 'number' && { least }),
    ...(typeof most === 'number' && { most }),
    ...(Array.isArray(choices) && { choices: choices.map(String) }),
  };
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
