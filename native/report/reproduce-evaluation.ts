/** Asks questions of an evaluation again, and compares answer by answer. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { EvaluationCondition } from '../../trace/evaluation/evaluation.ts';
import { openMethodWeights } from '../analysis/method-weights.ts';
import { hardware } from '../engine/processor-cores.ts';
import { FoveaError } from '../errors.ts';
import type { Answerer } from '../evaluation/answerer.ts';
import { bundledQuestionSet } from '../evaluation/bundled-set.ts';
import { codeDigest } from '../evaluation/code-digest.ts';
import { moduleMark } from '../evaluation/conditions.ts';
import { readQuestionSet, type SetQuestion } from '../evaluation/question-set.ts';
import { type Result, resultKey } from '../evaluation/results-file.ts';
import { runEvaluation } from '../evaluation/run-evaluation.ts';
import { isModulePath } from '../methods/own/own-method.ts';
import { devices, type EvaluationProgress } from '../rpc.ts';
import { version } from '../version.ts';
import { evalLine } from './reproduction.ts';
import { requireHere } from './same-images.ts';
import { findModel, unknownFiles } from './same-model.ts';
import type { SavedEvaluation, SavedOutcome } from './saved-evaluation.ts';

export interface ReproduceEvaluationOptions {
  /** The first so many questions. */
  readonly limit: number;
  /** Where set and model are now, if not where they were. */
  readonly setPath: string | undefined;
  readonly modelFolder: string | undefined;
  readonly visionTower?: string | undefined;
  readonly signal: AbortSignal;
  readonly progress: (progress: EvaluationProgress) => void;
  readonly startAnswerer: () => Answerer;
}

/** One answer that is not what it was. */
export interface AnswerDifference {
  readonly condition: string;
  /** Id in the set. */
  readonly question: string;
  readonly before: SavedOutcome;
  readonly now: SavedOutcome | { readonly problem: string };
}

export interface EvaluationReproduction {
  readonly agree: boolean;
  /** Asked again, of those in the evaluation. */
  readonly questions: number;
  readonly allQuestions: number;
  readonly conditions: number;
  /** Answers that were compared; a question that was not answered then is not. */
  readonly compared: number;
  /** An answer agrees when its characters and the visual tokens that entered and left the layers are the same. */
  readonly differences: readonly AnswerDifference[];
  readonly changes: readonly string[];
}

/** @throws FoveaError `usage` that says what changed; `question-set`, `checkpoint-missing`, `cancelled` */
export async function reproduceEvaluation(
  saved: SavedEvaluation,
  options: ReproduceEvaluationOptions,
): Promise<EvaluationReproduction> {
  const { metadata } = saved;
  const { conditions, engine, maxNewTokens } = metadata;
  const device = devices.find(one => one === engine.device);
  if (!device)
    throw new FoveaError('device-unavailable', `It was made on "${engine.device}", which Fovea does not know.`);
  const { questions: all, modelFolder } = await requireSame(saved, options);
  const questions = all.slice(0, Math.min(options.limit, metadata.questions));
  const answerer = options.startAnswerer();
  let results: readonly Result[];
  try {
    results = await runEvaluation({
      questions,
      conditions,
      earlier: [],
      request: {
        modelFolder,
        ...(options.visionTower !== undefined && { visionTower: options.visionTower }),
        maxNewTokens,
        device,
        threads: engine.threads,
      },
      answerers: [answerer],
      append: () => Promise.resolve(),
      progress: options.progress,
      signal: options.signal,
    });
  } finally {
    await answerer.close();
  }
  const { compared, differences } = compareAnswers(saved, questions, results);
  const total = questions.length * conditions.length;
  if (results.length < total) {
    const until = `${compared} of ${total} answers ${compared === 1 ? 'was' : 'were'} compared`;
    throw new FoveaError('cancelled', `Cancelled when ${until}; ${compared - differences.length} agreed.`);
  }
  return {
    agree: differences.length === 0,
    questions: questions.length,
    allQuestions: metadata.questions,
    conditions: conditions.length,
    compared,
    differences,
    changes: surroundings(metadata),
  };
}

function surroundings({ engine, producer, model }: SavedEvaluation['metadata']): string[] {
  const now = hardware();
  const unknown = unknownFiles(model);
  return [
    ...(now === engine.hardware ? [] : [`hardware: ${now}, was ${engine.hardware}`]),
    ...(unknown === undefined ? [] : [unknown]),
    ...(producer.code === undefined ? [`code of Fovea ${version}: perhaps; the evaluation does not say`] : []),
  ];
}

export function compareAnswers(
  saved: SavedEvaluation,
  questions: readonly Pick<SetQuestion, 'id'>[],
  results: readonly Result[],
): Pick<EvaluationReproduction, 'compared' | 'differences'> {
  const found = new Map(results.map(result => [resultKey(result.question, result.condition), result]));
  let compared = 0;
  const differences = questions.flatMap(({ id: question }, column) =>
    saved.metadata.conditions.flatMap(({ id: condition }, row): AnswerDifference[] => {
      const before = saved.outcomes[row]![column];
      const result = found.get(resultKey(question, condition));
      if (!before || !result) return [];
      compared++;
      const now = 'outcome' in result ? compactOutcome(result.outcome) : { problem: result.problem.message };
      return 'answer' in now && sameOutcome(before, now)
        ? []
        : [{ condition, question, before: compactOutcome(before), now }];
    }),
  );
  return { compared, differences };
}

const compactOutcome = ({ answer, entering, leaving }: SavedOutcome): SavedOutcome => ({ answer, entering, leaving });

/** Means of whole numbers come out the same to the last digits. */
const sameOutcome = (a: SavedOutcome, b: SavedOutcome): boolean =>
  a.answer === b.answer && Math.abs(a.entering - b.entering) < 1e-9 && Math.abs(a.leaving - b.leaving) < 1e-9;

/** All that changed is told at once. */
async function requireSame(
  { metadata }: SavedEvaluation,
  options: ReproduceEvaluationOptions,
): Promise<{ readonly questions: readonly SetQuestion[]; readonly modelFolder: string }> {
  const { set, model, producer } = metadata;
  const setPath = options.setPath ?? (set.bundled ? bundledQuestionSet() : undefined) ?? set.path;
  if (options.setPath === undefined && !set.bundled) requireHere(set.path, '--set FILE');
  const found = await readQuestionSet(setPath);
  const { folder: modelFolder, changed: ofModel } = await findModel(model, options, checkpoint =>
    openMethodWeights(
      checkpoint,
      metadata.conditions.map(({ method }) => ({ name: method })),
    ),
  );
  const changed = [
    ...(found.digest === set.digest
      ? []
      : [`the question set or one of its images (${setPath}: digest ${found.digest}, was ${set.digest})`]),
    ...(ofModel.length === 0 ? [] : [`the model (${modelFolder}: ${ofModel.join(', ')})`]),
    ...codeChange(producer),
    ...(await moduleChanges(metadata.conditions)),
  ];
  if (changed.length === 0) return { questions: found.questions, modelFolder };
  const hint = `With --set FILE and --model DIR, name them as they were; or evaluate anew: ${evalLine(metadata)}`;
  throw new FoveaError('usage', `Since the evaluation, this changed: ${changed.join('; ')}.`, hint);
}

function codeChange(producer: SavedEvaluation['metadata']['producer']): string[] {
  if (producer.version !== version) return [`Fovea (version ${version}, was ${producer.version})`];
  const code = codeDigest();
  return producer.code === undefined || producer.code === code
    ? []
    : [`the code of Fovea ${version} (digest ${code}, was ${producer.code})`];
}

/** A condition of a module of the user's names the start of its digest. */
async function moduleChanges(conditions: readonly EvaluationCondition[]): Promise<string[]> {
  const changes: string[] = [];
  for (const { id, method } of conditions) {
    if (!isModulePath(method)) continue;
    requireHere(method, 'a path of this computer');
    const text = await readFile(method, 'utf8').catch(() => undefined);
    const now = text === undefined ? undefined : createHash('sha256').update(text).digest('hex');
    const [before = ''] = moduleMark.exec(id) ?? [];
    if (now === undefined) changes.push(`the method ${method}, which is not there any more`);
    else if (!before.endsWith(`#${now.slice(0, 8)}`)) changes.push(`the text of the method ${method}`);
  }
  return [...new Set(changes)];
}
