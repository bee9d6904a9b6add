import type { EvaluationMetadata } from '../../trace/evaluation/evaluation.ts';
import { element } from '../element.ts';
import { count } from '../format.ts';

const mostProblems = 20;

/** Which evaluation this is, and what must be known before its numbers are believed. */
export function evaluationFacts({
  set,
  model,
  engine,
  questions,
  conditions,
  status,
  matching,
}: EvaluationMetadata): HTMLElement {
  const fact = (name: string, value: string): HTMLElement =>
    element('span', { class: 'fact', 'data-fact': name }, element('span', { class: 'dim small' }, name), ` ${value}`);
  const asked = questions < set.size ? `the first ${count(questions)} of ${count(set.size)}` : count(questions);
  const cautions = [
    ...(status.state === 'partial' ? ['Not finished: evaluate again into the same folder to go on.'] : []),
    ...(engine.jobs > 1
      ? [`${engine.jobs} runs went on at the same time: times are longer than those of one run.`]
      : []),
    ...(model.bundled
      ? ['The bundled model knows rendered scenes only: its figures say little about other models.']
      : []),
  ];
  return element(
    'header',
    { class: 'evaluation-facts' },
    element(
      'div',
      { class: 'facts' },
      fact('evaluation', set.name),
      fact('questions', asked),
      fact('model', model.name),
      fact('conditions', count(conditions.length)),
      fact('right answer', matching.split(':')[0]!),
      fact('device', `${engine.device}, ${engine.threads} ${engine.threads === 1 ? 'thread' : 'threads'}`),
    ),
    ...cautions.map(caution => element('p', { class: 'warn', 'data-testid': 'evaluation-caution' }, caution)),
  );
}

/** Lines of the set, and questions, that could not be asked. */
export function problemList({ problems, conditions }: EvaluationMetadata): HTMLElement[] {
  if (problems.length === 0) return [];
  const title = (id: string): string => conditions.find(condition => condition.id === id)?.title ?? id;
  const lines = problems
    .slice(0, mostProblems)
    .map(({ line, message, condition }) =>
      element('li', {}, `Line ${line}${condition === undefined ? '' : `, ${title(condition)}`}: ${message}`),
    );
  const more =
    problems.length > mostProblems
      ? [element('p', { class: 'dim' }, `And ${count(problems.length - mostProblems)} more, in summary.json.`)]
      : [];
  return [
    element(
      'section',
      { class: 'problems', 'aria-label': 'Not asked', 'data-testid': 'problems' },
      element('h2', {}, `${count(problems.length)} could not be asked`),
      element('ul', {}, ...lines),
      ...more,
    ),
  ];
}
