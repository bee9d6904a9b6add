/** An evaluation as data, put together from the set, the plan and the results. */
import { createHash } from 'node:crypto';
import {
  type Evaluation,
  type EvaluationCondition,
  evaluationKind,
  type EvaluationProblem,
  evaluationSchemaVersion,
} from '../../trace/evaluation/evaluation.ts';
import type { ModelFile } from '../../trace/model-files.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { defaultThreads, hardware } from '../engine/processor-cores.ts';
import { isBundled, modelName } from '../models.ts';
import type { EvaluateRequest } from '../rpc.ts';
import { version } from '../version.ts';
import { isBundledSet } from './bundled-set.ts';
import { codeDigest } from './code-digest.ts';
import { macFormulaName } from './mac-formula.ts';
import { matchingRule } from './match-answer.ts';
import type { QuestionSet, SetQuestion } from './question-set.ts';
import { type Result, resultKey } from './results-file.ts';

export interface EvaluationParts {
  readonly request: EvaluateRequest;
  readonly set: QuestionSet;
  readonly questions: readonly SetQuestion[];
  readonly conditions: readonly EvaluationCondition[];
  readonly checkpoint: Checkpoint;
  readonly files: readonly ModelFile[];
  readonly visualTokens: number;
  /** ISO 8601. */
  readonly created: string;
  readonly results: readonly Result[];
}

/** Threads of each job. */
export function threadsOfJob({ threads, jobs }: Pick<EvaluateRequest, 'threads' | 'jobs'>): number {
  return threads > 0 ? threads : Math.max(1, Math.floor(defaultThreads() / jobs));
}

export function assembleEvaluation(parts: EvaluationParts): Evaluation {
  const { request, set, questions, conditions, checkpoint, files, visualTokens, created } = parts;
  const found = new Map(parts.results.map(result => [resultKey(result.question, result.condition), result]));
  const results = conditions.map(({ id }) => questions.map(question => found.get(resultKey(question.id, id))));
  const complete = parts.results.length === questions.length * conditions.length;
  return {
    metadata: {
      kind: evaluationKind,
      schema: evaluationSchemaVersion,
      id: idOf(parts),
      created,
      producer: { name: 'fovea', version, code: codeDigest() },
      status: { state: complete ? 'complete' : 'partial' },
      model: {
        name: modelName(checkpoint.folder),
        folder: checkpoint.folder,
        bundled: isBundled(checkpoint.folder),
        digest: checkpoint.digest,
        files,
        visualTokens,
        decoderLayers: checkpoint.config.decoder.layers,
      },
      engine: {
        device: request.device,
        hardware: hardware(),
        threads: threadsOfJob(request),
        jobs: request.jobs,
      },
      set: {
        name: set.name,
        path: set.path,
        digest: set.digest,
        size: set.questions.length,
        bundled: isBundledSet(set.path),
      },
      questions: questions.length,
      conditions,
      maxNewTokens: request.maxNewTokens,
      matching: matchingRule,
      macFormula: macFormulaName,
      problems: [...set.problems, ...failures(parts)],
    },
    questions: questions.map(({ id, image, question, answers, kind }) => ({ id, image, question, answers, kind })),
    outcomes: results.map(row => row.map(result => (result && 'outcome' in result ? result.outcome : undefined))),
  };
}

/** The same results under the same conditions have the same id, so that a rewritten trace replaces itself in lists. */
function idOf({ set, checkpoint, created, conditions, questions }: EvaluationParts): string {
  const parts = [set.digest, checkpoint.digest, created, conditions.map(({ id }) => id), questions.length];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

/** What every condition stumbled over is a fault of the question; else it is told with the condition. */
function failures({ questions, conditions, results }: EvaluationParts): EvaluationProblem[] {
  const lines = new Map(questions.map(({ id, line }) => [id, line]));
  const failed = results.flatMap(result =>
    'problem' in result
      ? { line: lines.get(result.question) ?? 0, message: result.problem.message, condition: result.condition }
      : [],
  );
  const alike = (a: EvaluationProblem, b: EvaluationProblem): boolean => a.line === b.line && a.message === b.message;
  const everywhere = (problem: EvaluationProblem): boolean =>
    conditions.length > 1 && failed.filter(other => alike(other, problem)).length === conditions.length;
  return failed.flatMap((problem, index) => {
    if (!everywhere(problem)) return [problem];
    const first = failed.findIndex(other => alike(other, problem)) === index;
    return first ? [{ line: problem.line, message: problem.message }] : [];
  });
}
