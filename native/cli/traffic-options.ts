/** The command line of `fovea traffic`, understood and checked. */
import { parseArgs } from 'node:util';
import { type Mask, maskNames } from '../../trace/traffic/masks.ts';
import { presetRanks } from '../../trace/traffic/presets.ts';
import {
  type Algorithm,
  algorithms,
  type ElementType,
  elementTypes,
  type Pass,
  passes,
  type WireOptions,
} from '../../trace/traffic/schedule.ts';
import { splitEvenly } from '../../trace/traffic/sizes.ts';
import { FoveaError } from '../errors.ts';
import { bundledModelFolder } from '../models.ts';
import { imageWeights, type TrafficWorkloadChoice } from '../rpc.ts';
import { visionTowerOption } from './analyze-options.ts';
import type { EmulatedLink } from '../traffic/protocol.ts';
import type { AlgorithmChoice } from '../traffic/run-traffic.ts';
import { findPreset } from '../traffic/workload.ts';

export interface TrafficOptions {
  readonly mode: 'run' | 'plan' | 'schedule';
  readonly choices: readonly AlgorithmChoice[];
  readonly ranks: number;
  readonly workload: TrafficWorkloadChoice;
  readonly mask: Mask;
  readonly element: ElementType;
  readonly seed: number;
  readonly pass: Pass;
  readonly wire: Omit<WireOptions, 'repeatKeyValueHeads'>;
  readonly link: EmulatedLink | undefined;
  /** FLOP/s of a rank, for --plan. */
  readonly flopsPerSecond: number | undefined;
  readonly repeats: number;
  readonly schedulePath: string | undefined;
  readonly out: string | undefined;
  readonly json: boolean;
}

export type TrafficWords =
  | { readonly help: true }
  | { readonly help: false; readonly perfetto: string; readonly out: string; readonly json: boolean }
  | ({ readonly help: false; readonly perfetto?: undefined } & TrafficOptions);

const helpHint = 'See: fovea traffic --help';

const optionTypes = {
  algorithm: { type: 'string', short: 'a' },
  compare: { type: 'string' },
  ranks: { type: 'string', short: 'n' },
  preset: { type: 'string' },
  scale: { type: 'string' },
  sq: { type: 'string' },
  skv: { type: 'string' },
  heads: { type: 'string' },
  'kv-heads': { type: 'string' },
  'head-dim': { type: 'string' },
  dtype: { type: 'string' },
  mask: { type: 'string' },
  seed: { type: 'string' },
  pass: { type: 'string' },
  'output-wire': { type: 'string' },
  'gradient-wire': { type: 'string' },
  backward: { type: 'string' },
  'link-latency': { type: 'string' },
  'link-bandwidth': { type: 'string' },
  flops: { type: 'string' },
  repeats: { type: 'string' },
  plan: { type: 'boolean' },
  schedule: { type: 'string' },
  images: { type: 'boolean' },
  question: { type: 'string', short: 'q' },
  model: { type: 'string', short: 'm' },
  'vision-tower': { type: 'string' },
  frames: { type: 'string' },
  weights: { type: 'string' },
  layer: { type: 'string' },
  perfetto: { type: 'string' },
  out: { type: 'string', short: 'o' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof optionTypes }>>['values'];

/** @throws FoveaError `usage` */
export function parseTrafficOptions(words: readonly string[]): TrafficWords {
  const { values, positionals } = parseArgs({ args: [...words], allowPositionals: true, options: optionTypes });
  if (values.help) return { help: true };
  const json = values.json ?? false;
  if (values.perfetto !== undefined) {
    if (values.out === undefined) throw usage('--perfetto needs --out FILE.json.');
    return { help: false, perfetto: values.perfetto, out: values.out, json };
  }
  if (positionals.length > 0 && !values.images) throw usage(`"${positionals[0]!}" is not expected without --images.`);
  const preset = values.preset === undefined ? undefined : findPreset(values.preset);
  const ranks = wholeNumber('--ranks', values.ranks, preset ? presetRanks[preset.cluster] : 4);
  const element = dtypeOf(values.dtype ?? (preset ? 'F16' : 'F32'));
  const bandwidth = rate('--link-bandwidth', values['link-bandwidth']);
  const latency = seconds('--link-latency', values['link-latency']);
  return {
    help: false,
    mode: values.plan ? 'plan' : values.schedule === undefined || values.out !== undefined ? 'run' : 'schedule',
    choices: choicesOf(values),
    ranks,
    workload: workloadOf(values, positionals, values.preset, ranks),
    mask: maskOf(values),
    element,
    seed: wholeNumber('--seed', values.seed, 1, 0),
    pass: oneOf('--pass', values.pass ?? 'forward', passes),
    wire: {
      element,
      output: oneOf('--output-wire', values['output-wire'] ?? 'element', ['element', 'float32']),
      gradient: oneOf('--gradient-wire', values['gradient-wire'] ?? 'element', ['element', 'float32']),
      backward: oneOf('--backward', values.backward ?? 'official', ['official', 'delta']),
    },
    link:
      bandwidth === undefined && latency === undefined
        ? undefined
        : { latency: latency ?? 0, bandwidth: bandwidth ?? Number.MAX_VALUE },
    flopsPerSecond: rate('--flops', values.flops),
    repeats: wholeNumber('--repeats', values.repeats, 3),
    schedulePath: values.schedule,
    out: values.out,
    json,
  };
}

function choicesOf({ algorithm = 'lv-xattn', compare }: Values): AlgorithmChoice[] {
  const names = [algorithm, ...(compare === undefined ? [] : compare.split(','))].map(name => name.trim());
  const choices = names.map((name): AlgorithmChoice => {
    const repeatKeyValueHeads = name.endsWith('-repeated');
    const base = repeatKeyValueHeads ? name.slice(0, -'-repeated'.length) : name;
    const known = algorithms.find(candidate => candidate === base);
    if (known === undefined || (repeatKeyValueHeads && known !== 'ring' && known !== 'all-gather')) {
      throw usage(`There is no algorithm "${name}".`, `Algorithms: ${algorithmWords.join(', ')}.`);
    }
    return { algorithm: known, repeatKeyValueHeads };
  });
  if (new Set(names).size !== names.length) throw usage('An algorithm is named twice.');
  return choices;
}

export const algorithmWords: readonly string[] = algorithms.flatMap((name: Algorithm) =>
  name === 'ring' || name === 'all-gather' ? [name, `${name}-repeated`] : [name],
);

function workloadOf(
  values: Values,
  positionals: readonly string[],
  preset: string | undefined,
  ranks: number,
): TrafficWorkloadChoice {
  const sizes = [values.sq, values.skv, values.heads, values['kv-heads'], values['head-dim']];
  const given = [preset !== undefined, values.images === true, sizes.some(size => size !== undefined)];
  if (given.filter(Boolean).length > 1) throw usage('Give one of --preset, --images, and sizes.');
  if (values.images) {
    if (positionals.length === 0)
      throw usage('No image is named.', 'For example: fovea traffic --images clip.gif -q "..."');
    if (values.question === undefined) throw usage('No question is asked.', 'Add --question "What is this?"');
    return {
      kind: 'images',
      paths: positionals,
      question: values.question,
      modelFolder: values.model ?? bundledModelFolder(),
      ...visionTowerOption(values),
      frames: wholeNumber('--frames', values.frames, 8),
      ...(values.weights !== undefined && { weights: oneOf('--weights', values.weights, imageWeights) }),
      ...(values.layer !== undefined && { layer: wholeNumber('--layer', values.layer, 0, 0) }),
    };
  }
  if (preset) {
    const scale = values.scale === 'auto' ? 'auto' : wholeNumber('--scale', values.scale, 1);
    return { kind: 'preset', name: preset, scale };
  }
  const queryHeads = wholeNumber('--heads', values.heads, 8);
  return {
    kind: 'sizes',
    shape: {
      queryHeads,
      keyValueHeads: wholeNumber('--kv-heads', values['kv-heads'], queryHeads),
      headSize: wholeNumber('--head-dim', values['head-dim'], 64),
    },
    sharding: {
      queryRows: rowsOf('--sq', values.sq ?? '256', ranks),
      keyRows: rowsOf('--skv', values.skv ?? '4096', ranks),
    },
  };
}

/** "causal-frames", "own-frame:16", "padding:0.25". */
function maskOf({ mask }: Values): Mask {
  if (mask === undefined) return { name: 'none' };
  const [word = '', amount, ...more] = mask.toLowerCase().split(':');
  const name = oneOf('--mask', word, maskNames);
  if (more.length > 0) throw usage(`--mask is "${mask}"; it takes one number.`);
  switch (name) {
    case 'none':
      if (amount !== undefined) throw usage(`--mask is "${mask}"; none takes no number.`);
      return { name };
    case 'padding': {
      const share = Number(amount ?? '0.25');
      if (!(share > 0 && share < 1)) throw usage(`--mask is "${mask}"; padding takes a share between 0 and 1.`);
      return { name, share };
    }
    case 'causal-frames':
    case 'own-frame':
      return { name, frames: amount === undefined ? undefined : wholeNumber(`--mask ${name}`, amount, 1) };
  }
}

/** "4096" is split evenly; "7,0,12" says what each rank has. */
function rowsOf(name: string, text: string, ranks: number): number[] {
  const rows = text.split(',').map(part => wholeNumber(name, part.trim(), 0, 0));
  if (rows.length === 1) return splitEvenly(rows[0]!, ranks);
  if (rows.length !== ranks) throw usage(`${name} lists ${rows.length} ranks, and there are ${ranks}.`);
  return rows;
}

function usage(message: string, hint = helpHint): FoveaError {
  return new FoveaError('usage', message, hint);
}

function wholeNumber(name: string, text: string | undefined, fallback: number, least = 1): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  throw usage(`${name} is "${text}"; it must be a whole number from ${least}.`);
}

function oneOf<Name extends string>(option: string, text: string, allowed: readonly Name[]): Name {
  const found = allowed.find(name => name === text.toLowerCase());
  if (found === undefined) throw usage(`${option} is "${text}"; it must be ${allowed.join(' or ')}.`);
  return found;
}

function dtypeOf(text: string): ElementType {
  const names: Readonly<Record<string, ElementType>> = {
    fp32: 'F32',
    float32: 'F32',
    fp16: 'F16',
    float16: 'F16',
    bfloat16: 'BF16',
  };
  const upper = text.toUpperCase();
  const found = names[text.toLowerCase()] ?? elementTypes.find(name => name === upper);
  if (found === undefined) throw usage(`--dtype is "${text}"; it must be ${elementTypes.join(', ')}.`);
  return found;
}

const prefixes: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };

/** "3e9", "3G", "25GB/s", "312T". */
function rate(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits = '', prefix = ''] =
    /^([\d.]+(?:e\d+)?)\s*([kmgt]?)(?:b(?:\/s)?|flops?(?:\/s)?)?$/i.exec(text.trim()) ?? [];
  const value = Number(digits) * prefixes[prefix.toLowerCase()]!;
  if (digits !== '' && Number.isFinite(value) && value > 0) return value;
  throw usage(`${name} is "${text}"; it must be a rate such as 3e9 or 25G.`);
}

/** "20us", "0.5ms", "1e-4". */
function seconds(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits = '', unit = ''] = /^([\d.]+(?:e-?\d+)?)\s*(us|µs|ms|s)?$/i.exec(text.trim()) ?? [];
  const value = Number(digits) * ({ us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1, '': 1 }[unit.toLowerCase()] ?? NaN);
  if (digits !== '' && Number.isFinite(value)) return value;
  throw usage(`${name} is "${text}"; it must be a time such as 20us or 0.5ms.`);
}
