/** `fovea reproduce`: whether what a trace or report holds comes out the same again. */
import { parseArgs } from 'node:util';
import type { TrafficMetadata } from '../../trace/traffic/metadata.ts';
import { Pipeline } from '../analysis/pipeline.ts';
import { FoveaError } from '../errors.ts';
import { PipelineAnswerer } from '../evaluation/pipeline-answerer.ts';
import { agrees, reproduce, type ReproduceOptions, type Reproduction } from '../report/reproduce.ts';
import {
  type EvaluationReproduction,
  reproduceEvaluation,
  type ReproduceEvaluationOptions,
} from '../report/reproduce-evaluation.ts';
import { reproduceRuns, type RunVerdict } from '../report/reproduce-runs.ts';
import { reproduceTraffic, type TrafficReproduction } from '../report/reproduce-traffic.ts';
import type { SavedEvaluation } from '../report/saved-evaluation.ts';
import { readSavedReport, type SavedRun } from '../report/saved-report.ts';
import type { CommandContext } from './command.ts';
import { EvaluationLine } from './evaluation-line.ts';
import { evaluationReproductionText } from './evaluation-reproduction-text.ts';
import { describeFailure, exitCodes } from './exit-codes.ts';
import { reproduceHelp } from './help.ts';
import { ProgressLine } from './progress-line.ts';
import { reproductionText, verdictJson, verdictsText, verdictText } from './reproduction-text.ts';
import { colourDepth, printable, TextStyle } from './terminal.ts';
import { trafficProgress } from './traffic-report.ts';
import { trafficReproductionText } from './traffic-reproduction-text.ts';

/** @returns exit code, 1 where anything disagrees; @throws FoveaError, TraceError */
export async function reproduceCommand(words: readonly string[], context: CommandContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      image: { type: 'string', short: 'i' },
      model: { type: 'string', short: 'm' },
      'vision-tower': { type: 'string' },
      run: { type: 'string' },
      set: { type: 'string' },
      limit: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    context.stdout.write(reproduceHelp);
    return exitCodes.ok;
  }
  const [path, more] = positionals;
  if (path === undefined) throw new FoveaError('usage', 'No run is named.', 'For example: fovea reproduce run.fovea');
  if (more !== undefined) throw new FoveaError('usage', `"${more}" is one word too many.`, 'Name one trace or report.');
  const which = values.run === undefined ? undefined : wholeNumber('--run', values.run);
  const saved = await readSavedReport(path);
  const options = {
    imagePath: values.image,
    modelFolder: values.model,
    visionTower: values['vision-tower'],
    signal: context.signal,
  };
  const json = values.json ?? false;
  if (saved.kind !== 'runs' && which !== undefined)
    throw new FoveaError('usage', `${path} is no comparison.`, 'Leave --run out.');
  if (saved.kind === 'evaluation') {
    const limit = values.limit === undefined ? defaultQuestions : wholeNumber('--limit', values.limit);
    return evaluation(saved.evaluation, { ...options, setPath: values.set, limit }, json, context);
  }
  if (values.limit !== undefined || values.set !== undefined)
    throw new FoveaError('usage', `${path} is no evaluation.`, 'Leave --limit and --set out.');
  if (saved.kind === 'traffic') return traffic(saved.metadata, options, json, context);
  const { runs } = saved;
  const chosen = which === undefined ? runs : [chosenRun(runs, which, path)];
  const [only, ...others] = chosen;
  return only && others.length === 0 ? one(only, options, json, context) : several(chosen, options, json, context);
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new FoveaError('usage', `${option} ${printable(text)} is no number.`, 'The first is 1.');
}

function chosenRun(runs: readonly SavedRun[], which: number, path: string): SavedRun {
  const run = runs[which - 1];
  if (run) return run;
  throw new FoveaError('usage', `${path} has no run ${which}.`, `It holds ${runs.length}.`);
}

/** Of an evaluation, unless told otherwise: minutes, where all of it may take hours. */
const defaultQuestions = 20;

type Options = Omit<ReproduceOptions, 'progress'>;

async function one({ metadata }: SavedRun, options: Options, json: boolean, context: CommandContext): Promise<number> {
  const line = progressLine(context);
  let result: Reproduction;
  try {
    result = await reproduce(metadata, { ...options, progress: line.show.bind(line) });
  } finally {
    line.clear();
  }
  context.stdout.write(json ? `${JSON.stringify(result)}\n` : reproductionText(result));
  return agrees(result) ? exitCodes.ok : exitCodes.unexpected;
}

async function traffic(
  metadata: TrafficMetadata,
  options: Options,
  json: boolean,
  context: CommandContext,
): Promise<number> {
  const { stdout, stderr, environment } = context;
  const line = trafficProgress(stderr, new TextStyle(colourDepth(stderr, environment) > 1));
  let result: TrafficReproduction;
  try {
    result = await reproduceTraffic(metadata, { ...options, progress: line.show });
  } finally {
    line.clear();
  }
  stdout.write(json ? `${JSON.stringify(result)}\n` : trafficReproductionText(result));
  return result.agree ? exitCodes.ok : exitCodes.unexpected;
}

async function evaluation(
  saved: SavedEvaluation,
  options: Options & Pick<ReproduceEvaluationOptions, 'setPath' | 'limit'>,
  json: boolean,
  { stdout, stderr, environment }: CommandContext,
): Promise<number> {
  const line = new EvaluationLine(stderr, new TextStyle(colourDepth(stderr, environment) > 1));
  let result: EvaluationReproduction;
  try {
    result = await reproduceEvaluation(saved, {
      ...options,
      progress: line.show.bind(line),
      startAnswerer: () => new PipelineAnswerer(new Pipeline(), { keepLoaded: false }),
    });
  } finally {
    line.clear();
  }
  stdout.write(json ? `${JSON.stringify(result)}\n` : evaluationReproductionText(result));
  return result.agree ? exitCodes.ok : exitCodes.unexpected;
}

/** What was compared is printed at once, so that Ctrl-C loses nothing of it. */
async function several(
  runs: readonly SavedRun[],
  options: Options,
  json: boolean,
  context: CommandContext,
): Promise<number> {
  const { stdout } = context;
  const line = progressLine(context);
  const verdicts: RunVerdict[] = [];
  try {
    for await (const verdict of reproduceRuns(runs, { ...options, progress: line.show.bind(line) })) {
      verdicts.push(verdict);
      line.clear();
      if (!json) stdout.write(`${verdictText(verdict)}\n`);
    }
  } finally {
    line.clear();
  }
  const code = exitCodeOf(verdicts);
  stdout.write(
    json
      ? `${JSON.stringify({ agree: code === exitCodes.ok, runs: verdicts.map(verdictJson) })}\n`
      : verdictsText(verdicts),
  );
  return code;
}

/** 1 where a run disagrees; else why the first that could not be run could not. */
export function exitCodeOf(verdicts: readonly RunVerdict[]): number {
  if (verdicts.some(verdict => 'reproduction' in verdict && !agrees(verdict.reproduction))) return exitCodes.unexpected;
  const failed = verdicts.find(verdict => 'failure' in verdict);
  return failed ? describeFailure(failed.failure).exitCode : exitCodes.ok;
}

const progressLine = ({ stderr, environment }: CommandContext): ProgressLine =>
  new ProgressLine(stderr, new TextStyle(colourDepth(stderr, environment) > 1));
