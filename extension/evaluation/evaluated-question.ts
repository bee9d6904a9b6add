import path from 'node:path';
import type { MethodRequest } from '../../native/rpc.ts';
import type { Evaluation } from '../../trace/evaluation/evaluation.ts';

export interface EvaluatedQuestion {
  /** Absolute; images lie where the set names them from its own folder. */
  readonly imagePath: string;
  readonly question: string;
  readonly method: MethodRequest;
}

/** What to run to see one question of an evaluation under one of its conditions; undefined for indices outside. */
export function evaluatedQuestion(
  { metadata, questions }: Evaluation,
  questionIndex: number,
  conditionIndex: number,
): EvaluatedQuestion | undefined {
  const question = questions[questionIndex];
  const condition = metadata.conditions[conditionIndex];
  if (!question || !condition) return undefined;
  const { method, variant, budget, parameters } = condition;
  return {
    imagePath: path.resolve(path.dirname(metadata.set.path), question.image),
    question: question.question,
    method: { name: method, parameters, ...(variant && { variant }), ...(budget !== undefined && { budget }) },
  };
}
