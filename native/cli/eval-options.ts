/** The command line of `fovea eval`, understood and checked. */
import { basename, dirname, extname, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ParameterValue } from '../../trace/schema.ts';
import { FoveaError } from '../errors.ts';
import { parseMethod } from '../evaluation/conditions.ts';
import { bundledModelFolder } from '../models.ts';
import { devices, type EvaluateRequest } from '../rpc.ts';
import { visionTowerOption } from './analyze-options.ts';

export interface EvalOptions {
  readonly request: EvaluateRequest;
  readonly json: boolean;
  readonly markdown: boolean;
}

/** Longer than any caption of the bundled set. */
const defaultMaxNewTokens = 64;

/** @returns undefined when only help is asked for; @throws FoveaError `usage` */
export function parseEvalOptions(words: readonly string[]): EvalOptions | undefined {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      methods: { type: 'string' },
      budgets: { type: 'string' },
      set: { type: 'string', multiple: true },
      limit: { type: 'string' },
      jobs: { type: 'string', short: 'j' },
      out: { type: 'string', short: 'o' },
      model: { type: 'string', short: 'm' },
      'vision-tower': { type: 'string' },
      device: { type: 'string', short: 'd' },
      threads: { type: 'string', short: 't' },
      'max-new-tokens': { type: 'string' },
      json: { type: 'boolean' },
      markdown: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return undefined;
  const [setPath, more] = positionals;
  if (setPath === undefined) {
    throw usage(
      'No question set is named.',
      'For example: fovea eval questions.jsonl --methods mustdrop --budgets 128',
    );
  }
  if (more !== undefined) throw usage(`"${more}" is one word too many.`, 'Name one question set.');
  if (values.json && values.markdown) throw usage('--json and --markdown are both asked for.', 'Choose one.');
  const methods = methodList(values.methods ?? '');
  const device = devices.find(known => known === (values.device ?? 'cpu').toLowerCase());
  if (device === undefined) throw usage(`There is no device "${values.device!}".`, `Devices: ${devices.join(', ')}.`);
  const limit = values.limit === undefined ? undefined : wholeNumber('--limit', values.limit, 1);
  return {
    json: values.json ?? false,
    markdown: values.markdown ?? false,
    request: {
      setPath,
      outFolder: values.out ?? defaultFolder(setPath),
      methods,
      budgets: listOf(values.budgets).map(budget => wholeNumber('A budget', budget, 1)),
      parameters: parametersOf(values.set ?? [], methods),
      ...(limit !== undefined && { limit }),
      jobs: wholeNumber('--jobs', values.jobs ?? '1', 1),
      modelFolder: values.model ?? bundledModelFolder(),
      ...visionTowerOption(values),
      maxNewTokens: wholeNumber('--max-new-tokens', values['max-new-tokens'] ?? String(defaultMaxNewTokens), 1),
      device,
      threads: wholeNumber('--threads', values.threads ?? '0', 0),
      progressToken: '',
    },
  };
}

/** fovea-runs/evaluation-SET: always the same, so that calling again goes on. */
function defaultFolder(setPath: string): string {
  const stem = basename(setPath, extname(setPath));
  const folder = basename(dirname(setPath));
  return join('fovea-runs', `evaluation-${stem === 'questions' && folder !== '.' ? folder : stem}`);
}

/** Commas inside brackets belong to a parameter. */
function methodList(text: string): string[] {
  return (text.match(/(?:[^,[]|\[[^\]]*\]?)+/g) ?? []).map(part => part.trim()).filter(part => part !== '');
}

function listOf(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '');
}

/** "fastv.layer=3", or "layer=3" where one method runs. */
function parametersOf(
  settings: readonly string[],
  methods: readonly string[],
): Record<string, Record<string, ParameterValue>> {
  const names = [...new Set(methods.map(method => parseMethod(method)?.name ?? method))];
  const parameters: Record<string, Record<string, ParameterValue>> = {};
  for (const setting of settings) {
    const match = /^(?:([^=]+)\.)?([^.=]+)=(.*)$/.exec(setting);
    if (!match) throw usage(`"${setting}" sets nothing.`, 'Write --set METHOD.KEY=VALUE.');
    const [, named, key, value] = match;
    const method = named ?? (names.length === 1 ? names[0] : undefined);
    if (method === undefined) throw usage(`"${setting}" does not say whose.`, `Write --set METHOD.${setting}.`);
    parameters[method] = { ...parameters[method], [key!]: value! };
  }
  return parameters;
}

function usage(message: string, hint: string): FoveaError {
  return new FoveaError('usage', message, hint);
}

function wholeNumber(name: string, text: string, least: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  throw usage(`${name} is "${text}"; it must be a whole number from ${least}.`, 'See: fovea eval --help');
}
