/** The questions that one method answers and another does not. */
import type { Evaluation, EvaluationOutcome } from '../../trace/evaluation/evaluation.ts';
import { type Choice, dropdown, linkButton } from '../controls.ts';
import { element } from '../element.ts';
import { count } from '../format.ts';

/** More are drawn when asked for. */
const firstRows = 20;

export interface DisagreementEvents {
  readonly chosen: (first: string, second: string) => void;
  /** Runs the question with the method of this condition and opens the run; absent where nothing may run. */
  readonly ask: ((question: number, condition: number) => void) | undefined;
}

export class Disagreements {
  readonly element: HTMLElement;
  private readonly body = element('div', {});
  private readonly choices: readonly Choice[];
  private readonly dropdowns;
  private all = false;

  constructor(
    private readonly evaluation: Evaluation,
    private first: string,
    private second: string,
    private readonly events: DisagreementEvents,
  ) {
    this.choices = evaluation.metadata.conditions.map(({ id, title, budget }) => ({
      value: id,
      text: budget === undefined ? title : `${title}, ${count(budget)} tokens`,
    }));
    const known = (id: string): boolean => this.choices.some(({ value }) => value === id);
    if (!known(this.first)) this.first = this.choices[0]?.value ?? '';
    if (!known(this.second)) this.second = this.choices.at(-1)?.value ?? '';
    this.dropdowns = [
      dropdown('first-condition', 'Method whose answers are right', value => {
        this.choose(value, this.second);
      }),
      dropdown('second-condition', 'Method whose answers are wrong', value => {
        this.choose(this.first, value);
      }),
    ];
    const swap = linkButton('swap-conditions', 'Swap', () => {
      this.choose(this.second, this.first);
    });
    this.element = element(
      'section',
      { class: 'disagreements', 'aria-label': 'Questions answered by one method alone' },
      element(
        'div',
        { class: 'chart-title' },
        element('h2', {}, 'Answered by one alone'),
        element('span', {}, 'right with'),
        this.dropdowns[0]!.element,
        element('span', {}, 'wrong with'),
        this.dropdowns[1]!.element,
        swap,
      ),
      this.body,
    );
    this.draw();
  }

  /** Compares these two conditions. */
  choose(first: string, second: string): void {
    [this.first, this.second, this.all] = [first, second, false];
    this.events.chosen(first, second);
    this.draw();
  }

  private draw(): void {
    this.dropdowns[0]!.show(this.choices, this.first);
    this.dropdowns[1]!.show(this.choices, this.second);
    const { questions, outcomes, metadata } = this.evaluation;
    const [a, b] = [this.first, this.second].map(wanted => metadata.conditions.findIndex(({ id }) => id === wanted));
    const [rowA, rowB] = [outcomes[a!], outcomes[b!]];
    if (!rowA || !rowB) return;
    const found = questions.flatMap((_, index) =>
      rowA[index]?.correct && rowB[index]?.correct === false ? [index] : [],
    );
    const shown = this.all ? found : found.slice(0, firstRows);
    const rows = shown.map(index => this.row(index, [a!, b!], [rowA[index]!, rowB[index]!]));
    const nameOf = (wanted: string): string => this.choices.find(({ value }) => value === wanted)!.text;
    const head = ['kind', 'question', 'image', nameOf(this.first), nameOf(this.second)].map(title =>
      element('th', { scope: 'col' }, title),
    );
    const more =
      shown.length < found.length
        ? [
            linkButton('all-disagreements', `Show all ${count(found.length)}`, () => {
              this.all = true;
              this.draw();
            }),
          ]
        : [];
    const words = `${count(found.length)} of ${count(rowA.filter((one, index) => one && rowB[index]).length)} questions that both were asked.`;
    this.body.replaceChildren(
      element('p', { class: 'dim', 'data-testid': 'disagreement-count' }, words),
      ...(rows.length > 0
        ? [
            element(
              'div',
              { class: 'kinds-scroll' },
              element(
                'table',
                { class: 'disagreement-table', 'data-testid': 'disagreement-table' },
                element('thead', {}, element('tr', {}, ...head)),
                element('tbody', {}, ...rows),
              ),
            ),
          ]
        : []),
      ...more,
    );
  }

  private row(
    index: number,
    conditions: readonly [number, number],
    answers: readonly [EvaluationOutcome, EvaluationOutcome],
  ): HTMLElement {
    const { image, question, kind } = this.evaluation.questions[index]!;
    const { ask } = this.events;
    const answer = (which: 0 | 1): HTMLElement => {
      const { answer: text, correct } = answers[which];
      const words = element('span', { class: correct ? undefined : 'wrong' }, text === '' ? '(nothing)' : text);
      const run = ask
        ? [
            ' ',
            linkButton(`ask-${which}`, 'Run', () => {
              ask(index, conditions[which]);
            }),
          ]
        : [];
      return element('td', {}, words, ...run);
    };
    return element(
      'tr',
      {},
      element('td', { class: 'dim' }, kind.replaceAll('_', ' ')),
      element('td', {}, question),
      element('td', { class: 'dim' }, image.split('/').at(-1) ?? image),
      answer(0),
      answer(1),
    );
  }
}
