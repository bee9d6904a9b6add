/** Entry of the thread that runs a user's method: an error or an endless loop in it stays here. */
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import type { WorkerAnswer, WorkerRequest } from './worker-messages.ts';

type Functions = Readonly<Record<string, unknown>>;

let method: Functions | undefined;
let hooks: Functions = {};

async function load(): Promise<Functions> {
  const { path } = workerData as { readonly path: string };
  const module = (await import(pathToFileURL(path).href)) as Functions;
  const exported = module['default'] ?? module['method'];
  // A CommonJS module's exports are the default of its namespace.
  const wraps = isRecord(exported) && !('start' in exported);
  const inner = wraps ? (exported['default'] ?? exported['method'] ?? exported) : exported;
  if (!isRecord(inner))
    throw new Error('The module has no default export that is a method: an object with a name and start().');
  return inner;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

async function call(target: Functions, name: string, ...values: unknown[]): Promise<unknown> {
  const called = target[name];
  if (typeof called !== 'function') throw new Error(`The method has no function ${name}().`);
  return (await Reflect.apply(called, target, values)) as unknown;
}

/** Parameters with their values for this model, without functions, which cannot leave the thread. */
function describe(target: Functions, shape: unknown): unknown {
  const { start, resolveBudget, solveBudget: _, predict: __, parameters, ...described } = target;
  return {
    ...described,
    starts: typeof start === 'function',
    resolvesBudget: typeof resolveBudget === 'function',
    parameters: (Array.isArray(parameters) ? (parameters as unknown[]) : []).map(parameter => {
      if (!isRecord(parameter)) return parameter;
      const value = parameter['default'];
      return {
        ...parameter,
        default: typeof value === 'function' ? (value as (shape: unknown) => unknown)(shape) : value,
      };
    }),
  };
}

async function answer({ call: name, argument }: WorkerRequest): Promise<unknown> {
  method ??= await load();
  switch (name) {
    case 'describe':
      return describe(method, argument);
    case 'resolveBudget': {
      const { budget, setup } = argument as { readonly budget: number; readonly setup: unknown };
      return call(method, 'resolveBudget', budget, setup);
    }
    case 'start': {
      const started = await call(method, 'start', argument);
      hooks = isRecord(started) ? started : {};
      const functions = Object.keys(hooks).filter(key => typeof hooks[key] === 'function');
      return { ...Object.fromEntries(Object.entries(hooks).filter(([key]) => !functions.includes(key))), functions };
    }
    case 'visionLayer':
    case 'beforeDecoder':
    case 'decoderLayer':
    case 'afterPrefill':
      return call(hooks, name, argument);
  }
}

parentPort?.on('message', (request: WorkerRequest) => {
  const { id } = request;
  const send = (message: WorkerAnswer): void => {
    parentPort?.postMessage(message);
  };
  answer(request)
    .then(result => {
      send({ id, result });
    })
    .catch((error: unknown) => {
      const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
      send({ id, message, stack: stack ?? '' });
    });
});
