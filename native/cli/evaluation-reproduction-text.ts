/** What `fovea reproduce` says of an evaluation. */
import type { AnswerDifference, EvaluationReproduction } from '../report/reproduce-evaluation.ts';
import { printable } from './terminal.ts';

export function evaluationReproductionText(result: EvaluationReproduction): string {
  const { questions, allQuestions, conditions, compared, differences, changes } = result;
  const asked =
    questions < allQuestions
      ? `The first ${questions} of ${allQuestions} questions (--limit)`
      : `All ${allQuestions} questions`;
  const lines = [
    `${asked} were asked again under ${conditions} ${conditions === 1 ? 'condition' : 'conditions'}.`,
    ...differences.flatMap(differenceLines),
    ...changes.map(change => `Changed  ${printable(change)}`),
    `${compared - differences.length} of ${compared} answers agree.`,
  ];
  return `${lines.join('\n')}\n`;
}

function differenceLines({ condition, question, before, now }: AnswerDifference): string[] {
  const tokens = (outcome: typeof before): string =>
    `${outcome.entering.toFixed(2)} visual tokens in, ${outcome.leaving.toFixed(2)} out`;
  const sameAnswer = 'answer' in now && now.answer === before.answer;
  const told = (outcome: typeof before): string =>
    sameAnswer ? tokens(outcome) : printable(outcome.answer === '' ? '(nothing)' : outcome.answer);
  return [
    `Differs  ${printable(question)}, ${printable(condition)}`,
    `  Before   ${told(before)}`,
    `  Now      ${'answer' in now ? told(now) : `not answered: ${printable(now.problem)}`}`,
  ];
}
