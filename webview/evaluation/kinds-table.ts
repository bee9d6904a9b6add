/** Accuracy by kind of question and method, at one budget. */
import { unprunedId } from '../../trace/evaluation/evaluation.ts';
import { methodSeries, seriesId } from '../../trace/evaluation/series.ts';
import type { ConditionSummary, EvaluationSummary, GroupResult } from '../../trace/evaluation/summary.ts';
import { type Choice, dropdown } from '../controls.ts';
import { element } from '../element.ts';
import { count } from '../format.ts';
import { percent, points } from './chart-data.ts';
import { markerPath, seriesClass } from './markers.ts';

/** Every budget of the evaluation as a choice; methods without a budget are in all of them. */
function budgetChoices({ conditions }: EvaluationSummary): Choice[] {
  const budgets = [...new Set(conditions.flatMap(({ condition }) => condition.budget ?? []))].sort((a, b) => b - a);
  if (budgets.length === 0) return [{ value: '', text: 'own parameters' }];
  return budgets.map(budget => ({ value: String(budget), text: `${count(budget)} tokens` }));
}

export class KindsTable {
  readonly element: HTMLElement;
  private readonly body = element('div', { class: 'kinds-scroll', tabindex: 0, 'data-testid': 'kinds-table' });
  private readonly choices: readonly Choice[];
  private readonly budgets;

  constructor(
    private readonly summary: EvaluationSummary,
    private budget: string,
    changed: (budget: string) => void,
  ) {
    this.choices = budgetChoices(summary);
    if (!this.choices.some(({ value }) => value === budget)) this.budget = this.choices[0]!.value;
    this.budgets = dropdown('kinds-budget', 'Budget of the table', value => {
      this.budget = value;
      changed(value);
      this.draw();
    });
    this.element = element(
      'section',
      { class: 'kinds', 'aria-label': 'Kinds of questions' },
      element(
        'div',
        { class: 'chart-title' },
        element('h2', {}, 'Kinds of questions'),
        this.budgets.element,
        element(
          'small',
          {},
          'share of right answers; below it the difference to no pruning in points, bold where its 95 % interval leaves out 0',
        ),
      ),
      this.body,
    );
    this.draw();
  }

  private draw(): void {
    this.budgets.show(this.choices, this.budget);
    const { conditions, groups } = this.summary;
    const shown = conditions.filter(
      ({ condition }) => condition.budget === undefined || String(condition.budget) === this.budget,
    );
    const head = element(
      'tr',
      {},
      element('th', { scope: 'col' }, 'kind'),
      element('th', { scope: 'col', class: 'numeric' }, 'questions'),
      ...shown.map(summary => element('th', { scope: 'col', class: 'numeric' }, ...this.heading(summary))),
    );
    const rows = groups.map(group =>
      element(
        'tr',
        { class: group.isKind ? undefined : 'total' },
        element('th', { scope: 'row' }, group.title),
        element('td', { class: 'numeric' }, count(group.questions.length)),
        ...shown.map(({ groups: results }) => cell(results[group.id]!)),
      ),
    );
    this.body.replaceChildren(
      element('table', { class: 'kinds-table' }, element('thead', {}, head), element('tbody', {}, ...rows)),
    );
  }

  private heading({ condition }: ConditionSummary): (Node | string)[] {
    if (condition.id === unprunedId) return [condition.title];
    const ids = methodSeries(this.summary).map(({ id }) => id);
    return [markerIcon(ids.indexOf(seriesId(condition))), ` ${condition.title}`];
  }
}

/** The marker of a method, as in the chart. */
function markerIcon(series: number): SVGSVGElement {
  const icon = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  icon.setAttribute('viewBox', '-6 -6 12 12');
  icon.setAttribute('width', '12');
  icon.setAttribute('height', '12');
  icon.setAttribute('aria-hidden', 'true');
  icon.classList.add('series', 'marker-icon', seriesClass(series));
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('class', 'marker');
  path.setAttribute('d', markerPath(series, 50));
  icon.append(path);
  return icon;
}

function cell({ answered, accuracy, interval, correct, paired }: GroupResult): HTMLElement {
  if (answered === 0) return element('td', { class: 'numeric dim' }, '–');
  const sure = paired && (paired.interval[0] > 0 || paired.interval[1] < 0);
  const difference =
    paired && paired.pairs > 0
      ? [element('small', { class: sure ? 'sure' : undefined }, points(paired.difference))]
      : [];
  const words = [
    `${count(correct)} of ${count(answered)}, 95 % interval ${percent(interval[0])} to ${percent(interval[1])}`,
    ...(paired && paired.pairs > 0
      ? [`against no pruning ${points(paired.interval[0])} to ${points(paired.interval[1])} points`]
      : []),
  ].join('; ');
  return element(
    'td',
    { class: 'numeric', title: words },
    element('span', {}, percent(accuracy)),
    bar(accuracy),
    ...difference,
  );
}

function bar(share: number): SVGSVGElement {
  const drawing = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  drawing.setAttribute('class', 'share-bar');
  drawing.setAttribute('viewBox', '0 0 100 3');
  drawing.setAttribute('preserveAspectRatio', 'none');
  drawing.setAttribute('aria-hidden', 'true');
  const filled = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
  filled.setAttribute('width', String(100 * share));
  filled.setAttribute('height', '3');
  drawing.append(filled);
  return drawing;
}
