/** Composition root of an evaluation: from a question set on disk to results, summaries and a trace on disk. */
import { join, resolve } from 'node:path';
import type { Evaluation } from '../../trace/evaluation/evaluation.ts';
import { type EvaluationSummary, summarizeEvaluation } from '../../trace/evaluation/summary.ts';
import { writeEvaluationFile } from '../../trace/file.ts';
import { openModelFiles } from '../analysis/loaded-model.ts';
import { replaceFile } from '../analysis/output-file.ts';
import { visualTokenCount } from '../checkpoint/model-config.ts';
import { FoveaError } from '../errors.ts';
import type { ModelShape } from '../methods/method.ts';
import { modelShape } from '../methods/model-shape.ts';
import { describeModule } from '../methods/own/describe-module.ts';
import { isModulePath } from '../methods/own/own-method.ts';
import { renderCsv } from '../report/formats/csv-report.ts';
import type { EvaluateRequest, EvaluateResult, EvaluationProgress } from '../rpc.ts';
import { version } from '../version.ts';
import type { Answerer } from './answerer.ts';
import { type EvaluableMethod, parseMethod, planConditions } from './conditions.ts';
import { codeDigest } from './code-digest.ts';
import { assembleEvaluation, type EvaluationParts, threadsOfJob } from './assemble.ts';
import { evaluatedFiles } from './evaluated-files.ts';
import { matchingRule } from './match-answer.ts';
import { cannotWriteEvaluation } from './output-error.ts';
import { readQuestionSet } from './question-set.ts';
import { openResults, resultsName } from './results-file.ts';
import { runEvaluation } from './run-evaluation.ts';
import { summaryJson, summaryLines } from './summary-files.ts';

const evaluationTraceName = 'evaluation.fovea';

export interface EvaluationOptions {
  readonly progress?: ((progress: EvaluationProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly methods: readonly EvaluableMethod[];
  /** As many as there are jobs; called when all else is known to be in order. */
  readonly startAnswerers: (jobs: number) => readonly Answerer[];
}

export interface EvaluationEnd extends EvaluateResult {
  readonly evaluation: Evaluation;
  readonly summary: EvaluationSummary;
}

/**
 * Cancelled, it summarizes what there is; the next evaluation into the same folder goes on with it.
 * @throws FoveaError
 */
export async function evaluate(request: EvaluateRequest, options: EvaluationOptions): Promise<EvaluationEnd> {
  checkRequest(request);
  const set = await readQuestionSet(request.setPath);
  const { checkpoint } = await openModelFiles(resolve(request.modelFolder), request.visionTower);
  const visualTokens = visualTokenCount(checkpoint.config);
  const own = await ownMethods(request.methods, modelShape(checkpoint.config));
  const conditions = planConditions(request, [...options.methods, ...own], visualTokens);
  const questions = set.questions.slice(0, request.limit);
  const { files, identity } = await evaluatedFiles(checkpoint, conditions, options.signal);
  const folder = resolve(request.outFolder);
  const opened = await openResults(
    folder,
    {
      set: set.digest,
      ...identity,
      maxNewTokens: request.maxNewTokens,
      device: request.device,
      matching: matchingRule,
      producer: version,
      code: codeDigest(),
    },
    new Date(),
  );
  const answerers: Answerer[] = [];
  try {
    answerers.push(...options.startAnswerers(request.jobs));
    const results = await runEvaluation({
      progress: options.progress,
      signal: options.signal,
      request: { ...request, threads: threadsOfJob(request) },
      questions,
      conditions,
      earlier: opened.earlier,
      answerers,
      append: result => opened.file.append(result),
    });
    const total = questions.length * conditions.length;
    const parts = { request, set, questions, conditions, checkpoint, files, visualTokens, results };
    const evaluation = assembleEvaluation({ ...parts, created: opened.created } satisfies EvaluationParts);
    const summary = summarizeEvaluation(evaluation);
    const [tracePath, ...summaries] = await writeEvaluation(folder, evaluation, summary);
    return {
      evaluation,
      summary,
      tracePath: tracePath!,
      files: [tracePath!, ...summaries, join(folder, resultsName)],
      state: results.length === total ? 'complete' : 'cancelled',
      questions: questions.length,
      conditions: conditions.length,
      done: results.length,
      total,
      problems: evaluation.metadata.problems,
      ...(opened.startedAnew && { startedAnew: opened.startedAnew }),
    };
  } finally {
    await opened.file.close();
    await Promise.all(answerers.map(answerer => answerer.close()));
  }
}

/** Modules among the methods. @throws FoveaError `usage` or `method-failed` */
async function ownMethods(asked: readonly string[], shape: ModelShape): Promise<readonly EvaluableMethod[]> {
  const names = [...new Set(asked.map(text => parseMethod(text)?.name ?? ''))].filter(isModulePath);
  const described = await Promise.all(names.map(name => describeModule(name, shape)));
  return described.map(({ method, module }, index) => ({ ...method, name: names[index]!, module }));
}

async function writeEvaluation(
  folder: string,
  evaluation: Evaluation,
  summary: EvaluationSummary,
): Promise<readonly string[]> {
  const tracePath = join(folder, evaluationTraceName);
  try {
    await writeEvaluationFile(tracePath, evaluation);
    const [csv, json] = [join(folder, 'summary.csv'), join(folder, 'summary.json')];
    await replaceFile(csv, renderCsv({ lines: summaryLines(summary) }));
    await replaceFile(json, summaryJson(evaluation.metadata, summary));
    return [tracePath, csv, json];
  } catch (error) {
    throw cannotWriteEvaluation(folder, error);
  }
}

/** @throws FoveaError `usage` */
function checkRequest({ budgets, limit, jobs, maxNewTokens }: EvaluateRequest): void {
  const positive = (name: string, value: number): void => {
    if (Number.isSafeInteger(value) && value >= 1) return;
    throw new FoveaError('usage', `${name} is ${value}.`, 'It must be a whole number from 1.');
  };
  for (const budget of budgets) positive('A budget', budget);
  if (limit !== undefined) positive('The limit', limit);
  positive('The number of jobs', jobs);
  positive('The longest answer', maxNewTokens);
}
