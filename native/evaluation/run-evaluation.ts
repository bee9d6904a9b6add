/** Asks what has not been asked yet, question by question under all conditions, and writes every result at once. */
import type { EvaluationCondition } from '../../trace/evaluation/evaluation.ts';
import { FoveaError, type FoveaErrorCode } from '../errors.ts';
import type { AnswerRequest, EvaluationProgress } from '../rpc.ts';
import type { Answerer } from './answerer.ts';
import type { SetQuestion } from './question-set.ts';
import { type Result, resultKey } from './results-file.ts';

export interface Task {
  readonly question: SetQuestion;
  readonly condition: EvaluationCondition;
}

export interface EvaluationRun {
  readonly questions: readonly SetQuestion[];
  readonly conditions: readonly EvaluationCondition[];
  readonly earlier: readonly Result[];
  readonly request: Pick<AnswerRequest, 'modelFolder' | 'visionTower' | 'maxNewTokens' | 'device' | 'threads'>;
  /** One for each run that may go on at the same time. */
  readonly answerers: readonly Answerer[];
  readonly append: (result: Result) => Promise<void>;
  readonly progress: ((progress: EvaluationProgress) => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

/** These say that nothing can be run, not that one question cannot be asked. */
const fatal: ReadonlySet<FoveaErrorCode> = new Set<FoveaErrorCode>([
  'usage',
  'checkpoint-missing',
  'checkpoint-malformed',
  'architecture-unsupported',
  'shape-mismatch',
  'out-of-memory',
  'device-unavailable',
  'disk',
  'cancelled',
]);

/**
 * @returns all results, earlier ones included; fewer than all when the signal was aborted
 * @throws FoveaError when nothing can be run
 */
export async function runEvaluation(run: EvaluationRun): Promise<Result[]> {
  const results = new Map(run.earlier.map(result => [resultKey(result.question, result.condition), result]));
  const tasks = run.questions.flatMap(question => run.conditions.map(condition => ({ question, condition })));
  const open = tasks.filter(({ question, condition }) => !results.has(resultKey(question.id, condition.id)));
  const clock = new RemainingTime(open.length);
  let done = tasks.length - open.length;
  run.progress?.({ done, total: tasks.length });

  const stop = new AbortController();
  const signal = run.signal ? AbortSignal.any([run.signal, stop.signal]) : stop.signal;
  const work = async (answerer: Answerer): Promise<void> => {
    for (let task = open.shift(); task && !signal.aborted; task = open.shift()) {
      const result = await ask(answerer, task, run, signal);
      if (!result) return;
      results.set(resultKey(result.question, result.condition), result);
      await run.append(result);
      done++;
      const { question, condition } = result;
      run.progress?.({ done, total: tasks.length, remaining: clock.remaining(), question, condition });
    }
  };
  const outcomes = await Promise.allSettled(
    run.answerers.map(answerer =>
      work(answerer).catch((error: unknown) => {
        stop.abort();
        throw error;
      }),
    ),
  );
  const failure = outcomes.find(outcome => outcome.status === 'rejected');
  if (failure) throw failure.reason;
  return tasks.flatMap(({ question, condition }) => results.get(resultKey(question.id, condition.id)) ?? []);
}

/** @returns undefined when it was cancelled; @throws FoveaError when nothing can be run */
async function ask(
  answerer: Answerer,
  { question, condition }: Task,
  { request }: EvaluationRun,
  signal: AbortSignal,
): Promise<Result | undefined> {
  const place = { question: question.id, condition: condition.id };
  const { imagePath, answers } = question;
  try {
    const asked = { ...request, imagePath, question: question.question, answers, condition };
    return { ...place, outcome: await answerer.answer(asked, signal) };
  } catch (error) {
    if (signal.aborted) return undefined;
    if (!(error instanceof FoveaError) || fatal.has(error.code)) throw error;
    return { ...place, problem: { code: error.code, message: error.message } };
  }
}

class RemainingTime {
  private readonly started = performance.now();
  private finished = 0;

  constructor(private readonly runs: number) {}

  /** Called when a run was finished. The first one loads the model, so it is left out where there are more. */
  remaining(): number {
    this.finished++;
    if (this.finished === 1) this.afterFirst = performance.now();
    const [since, counted] = this.finished > 1 ? [this.afterFirst, this.finished - 1] : [this.started, this.finished];
    return ((performance.now() - since) / counted) * (this.runs - this.finished);
  }

  private afterFirst = 0;
}
