/** The command line of `fovea analyze`, understood and checked. */
import { basename, extname, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Sampling } from '../../trace/schema.ts';
import { traceExtension } from '../../trace/schema.ts';
import { FoveaError } from '../errors.ts';
import { bundledModelFolder } from '../models.ts';
import { type AnalyzeRequest, type Device, devices, type MethodRequest } from '../rpc.ts';

export interface AnalyzeOptions {
  readonly request: AnalyzeRequest;
  /** Whether the trace's name is the user's own; otherwise it is one that another run may have. */
  readonly traceNamed: boolean;
  readonly json: boolean;
  readonly help: boolean;
}

const defaultMaxNewTokens = 64;
const helpHint = 'See: fovea analyze --help';

/** @throws FoveaError `usage` */
export function parseAnalyzeOptions(words: readonly string[], now = new Date()): AnalyzeOptions {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      question: { type: 'string', short: 'q' },
      image: { type: 'string', short: 'i', multiple: true },
      model: { type: 'string', short: 'm' },
      'vision-tower': { type: 'string' },
      out: { type: 'string', short: 'o' },
      device: { type: 'string', short: 'd' },
      threads: { type: 'string', short: 't' },
      'max-new-tokens': { type: 'string' },
      temperature: { type: 'string' },
      'top-p': { type: 'string' },
      seed: { type: 'string' },
      method: { type: 'string' },
      variant: { type: 'string' },
      budget: { type: 'string' },
      set: { type: 'string', multiple: true },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const json = values.json ?? false;
  if (values.help) return { request: emptyRequest, traceNamed: false, json, help: true };

  const { imagePath, furtherImages, second, rest } = namedPaths(positionals, values.image, values.question);
  if (imagePath === undefined)
    throw usage('No image is named.', 'For example: fovea analyze photo.jpg "What is this?"');
  if (second !== undefined && values.question !== undefined) {
    throw usage('The question is given twice.', 'Give it after the image or with --question.');
  }
  if (rest.length > 0) {
    throw usage(
      `"${rest[0]!}" is one word too many.`,
      'Put the question in quotes: fovea analyze photo.jpg "What is this?"',
    );
  }
  const question = values.question ?? second;
  if (question === undefined) {
    throw usage('No question is asked.', `For example: fovea analyze ${imagePath} "Describe this picture."`);
  }
  return {
    json,
    help: false,
    traceNamed: values.out !== undefined,
    request: {
      imagePath,
      ...(furtherImages.length > 0 && { furtherImages }),
      question,
      modelFolder: values.model ?? bundledModelFolder(),
      ...visionTowerOption(values),
      tracePath: values.out ?? defaultTracePath(imagePath, now),
      maxNewTokens: wholeNumber('--max-new-tokens', values['max-new-tokens'], defaultMaxNewTokens, 1),
      sampling: samplingOf(values.temperature, values['top-p'], values.seed),
      ...methodOption(values),
      device: deviceOf(values.device ?? 'cpu'),
      threads: wholeNumber('--threads', values.threads, 0, 0),
      progressToken: '',
    },
  };
}

/** Images come first, or with --image; of two words without one the second is the question. */
function namedPaths(
  positionals: readonly string[],
  named: readonly string[] = [],
  question: string | undefined,
): { imagePath?: string; furtherImages: readonly string[]; second?: string; rest: readonly string[] } {
  const imageFirst =
    positionals.length > 0 && !(named.length > 0 && question === undefined && positionals.length === 1);
  const [imagePath, ...furtherImages] = imageFirst ? [positionals[0]!, ...named] : named;
  const [second, ...rest] = imageFirst ? positionals.slice(1) : positionals;
  return {
    ...(imagePath !== undefined && { imagePath }),
    furtherImages,
    ...(second !== undefined && { second }),
    rest,
  };
}

const emptyRequest: AnalyzeRequest = {
  imagePath: '',
  question: '',
  modelFolder: '',
  tracePath: '',
  maxNewTokens: 1,
  sampling: { mode: 'greedy' },
  device: 'cpu',
  threads: 0,
  progressToken: '',
};

/** `--vision-tower`, as all commands that load a model take it. */
export function visionTowerOption(values: { readonly 'vision-tower'?: string | undefined }): {
  readonly visionTower?: string;
} {
  const folder = values['vision-tower'];
  return folder === undefined ? {} : { visionTower: folder };
}

/** `--method`, `--variant`, `--budget` and `--set key=value`, as several commands take them. @throws FoveaError `usage` */
export function methodOption(values: {
  readonly method?: string | undefined;
  readonly variant?: string | undefined;
  readonly budget?: string | undefined;
  readonly set?: readonly string[] | undefined;
}): { readonly method?: MethodRequest } {
  const { method, variant, budget, set = [] } = values;
  if (method === undefined) {
    const lonely =
      variant !== undefined ? '--variant' : budget !== undefined ? '--budget' : set.length > 0 ? '--set' : '';
    if (lonely === '') return {};
    throw usage(`${lonely} says how a method runs, but no method is named.`, 'Add --method NAME. See: fovea methods');
  }
  return {
    method: {
      name: method,
      ...(variant !== undefined && { variant }),
      ...(budget !== undefined && { budget: wholeNumber('--budget', budget, 0, 1) }),
      ...(set.length > 0 && { parameters: Object.fromEntries(set.map(assignment)) }),
    },
  };
}

function assignment(text: string): [name: string, value: string] {
  const equals = text.indexOf('=');
  if (equals > 0) return [text.slice(0, equals).trim(), text.slice(equals + 1).trim()];
  throw usage(`--set ${text} sets nothing.`, 'Write --set name=value.');
}

function usage(message: string, hint = helpHint): FoveaError {
  return new FoveaError('usage', message, hint);
}

function wholeNumber(name: string, text: string | undefined, fallback: number, least: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (/^-?\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  throw usage(`${name} is "${text}"; it must be a whole number${least > -Infinity ? ` from ${least}` : ''}.`);
}

function decimal(name: string, text: string, isAllowed: (value: number) => boolean, allowed: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && isAllowed(value)) return value;
  throw usage(`${name} is "${text}"; it must be ${allowed}.`);
}

function samplingOf(temperature: string | undefined, topP: string | undefined, seed: string | undefined): Sampling {
  const draws = topP !== undefined || seed !== undefined ? '1' : '0';
  const heat = decimal('--temperature', temperature ?? draws, value => value >= 0, '0 or above');
  const share = decimal('--top-p', topP ?? '1', value => value > 0 && value <= 1, 'above 0 and at most 1');
  const start = wholeNumber('--seed', seed, 0, -Infinity);
  return heat === 0 ? { mode: 'greedy' } : { mode: 'sample', temperature: heat, topP: share, seed: start };
}

function deviceOf(name: string): Device {
  const device = devices.find(known => known === name.toLowerCase());
  if (device === undefined) throw usage(`There is no device "${name}".`, `Devices: ${devices.join(', ')}.`);
  return device;
}

/** fovea-runs/IMAGE-yyyymmdd-hhmmss.fovea, local time. */
function defaultTracePath(imagePath: string, now: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  const time = `${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
  return join('fovea-runs', `${basename(imagePath, extname(imagePath))}-${day}-${time}${traceExtension}`);
}
