/** The panel of an evaluation: chart, numbers of a point, kinds of questions, and questions that methods disagree on. */
import { type Evaluation, unprunedId } from '../../trace/evaluation/evaluation.ts';
import { type EvaluationSummary, summarizeEvaluation } from '../../trace/evaluation/summary.ts';
import { ChartTables } from '../charts.ts';
import { currentTheme } from '../colour/theme.ts';
import { type Choice, dropdown } from '../controls.ts';
import { element } from '../element.ts';
import { composeSheet } from '../figure/figure-sheet.ts';
import { inTheme } from '../figure/figure-theme.ts';
import { figureFileName } from '../figure/file-name.ts';
import { drawPage } from '../figure/page-drawing.ts';
import { printSheet } from '../figure/printed.ts';
import { count } from '../format.ts';
import type { Host } from '../host.ts';
import type { FigureFormat, FigureName, FigureTheme } from '../messages.ts';
import { AccuracyChart } from './chart.ts';
import { chartData, chartTable, metrics, percent, pointFacts } from './chart-data.ts';
import { Disagreements } from './disagreements.ts';
import { evaluationFacts, problemList } from './evaluation-facts.ts';
import { KindsTable } from './kinds-table.ts';
import { readView, type SavedView } from './saved-view.ts';

export class EvaluationPanel {
  readonly element: HTMLElement;
  private readonly summary: EvaluationSummary;
  private readonly chart: AccuracyChart;
  private readonly tables = new ChartTables();
  private readonly readout = element('aside', {
    class: 'point-readout',
    role: 'status',
    'data-testid': 'point-readout',
  });
  private readonly note = element('small', { 'data-testid': 'chart-note' });
  private readonly disagreements: Disagreements;
  private readonly groups;
  private readonly axes;
  private readonly groupChoices: readonly Choice[];
  private readonly figure = element('div', { class: 'accuracy-figure' });
  private readonly resized = new ResizeObserver(() => {
    this.draw();
  });
  private endCopying = (): void => undefined;
  private view: SavedView;
  private width = 0;

  constructor(
    private readonly evaluation: Evaluation,
    private readonly host: Pick<Host, 'post' | 'savedState' | 'saveState'>,
    canRun: boolean,
  ) {
    this.summary = summarizeEvaluation(evaluation);
    this.view = readView(host.savedState(), this.summary);
    this.chart = new AccuracyChart({
      hovered: () => {
        this.showPoint();
      },
      locked: condition => {
        this.locked(condition);
      },
    });
    this.groupChoices = this.summary.groups.map(({ id, title, questions }) => ({
      value: id,
      text: `${title} (${count(questions.length)})`,
    }));
    this.groups = dropdown('group', 'Questions', group => {
      this.change({ group });
    });
    this.axes = dropdown('metric', 'Cost on the horizontal axis', metric => {
      this.change({ metric });
    });
    const kinds = new KindsTable(this.summary, this.view.budget, budget => {
      this.save({ budget });
    });
    this.disagreements = new Disagreements(evaluation, this.view.first, this.view.second, {
      chosen: (first, second) => {
        this.save({ first, second });
      },
      ask: canRun
        ? (question, condition) => {
            host.post({ type: 'askQuestion', question, condition });
          }
        : undefined,
    });
    this.element = element(
      'main',
      { class: 'evaluation' },
      evaluationFacts(evaluation.metadata),
      this.accuracy(),
      kinds.element,
      this.disagreements.element,
      ...problemList(evaluation.metadata),
    );
  }

  /** Call when the element is in the document. */
  start(): void {
    this.tables.add(this.figure, this.chart.element, () => this.tableData());
    document.addEventListener('keydown', this.pressed);
    this.endCopying = this.tables.listenToCopy();
    this.resized.observe(this.figure);
    this.draw();
    if (this.view.locked !== '') this.chart.lock(this.view.locked);
    this.showPoint();
    document.body.dataset['ready'] = '1';
  }

  /** What can be saved as a figure at present. */
  figures(): FigureName[] {
    const { set } = this.evaluation.metadata;
    return [{ id: 0, title: figureTitle, fileName: figureFileName(set.name, figureTitle) }];
  }

  /** The chart as it is shown now, as the bytes of a file. @throws Error when its table is shown instead */
  drawFigure(_figure: number, format: FigureFormat, theme: FigureTheme): Promise<Uint8Array<ArrayBuffer>> {
    if (this.chart.element.hasAttribute('hidden'))
      throw new Error('The chart is shown as a table. Press t, and save again.');
    const { set, model, producer, id } = this.evaluation.metadata;
    const caption =
      `${this.chartTitle()} ${this.note.textContent} Set ${set.name}, model ${model.name}. ` +
      `Fovea ${producer.version}, evaluation ${id.slice(0, 8)}.`;
    // Its colours are the style sheet's, so that nothing has to be drawn anew for another theme.
    const sheet = inTheme(
      theme,
      () => undefined,
      () =>
        composeSheet({
          title: figureTitle,
          caption,
          drawing: drawPage(this.figure, []),
          scale: undefined,
          theme: currentTheme(),
        }),
    );
    return printSheet(sheet, format);
  }

  dispose(): void {
    this.resized.disconnect();
    document.removeEventListener('keydown', this.pressed);
    this.endCopying();
  }

  private accuracy(): HTMLElement {
    this.figure.append(this.chart.element);
    const controls = element(
      'div',
      { class: 'chart-title' },
      element('h2', {}, 'Accuracy against cost'),
      element('label', {}, 'questions ', this.groups.element),
      element('label', {}, 'against ', this.axes.element),
      element('small', {}, 't: table, s: save figure'),
    );
    return element(
      'section',
      { class: 'accuracy', 'aria-label': 'Accuracy against cost' },
      element('div', {}, controls, this.figure, this.note),
      this.readout,
    );
  }

  private get metric() {
    return metrics.find(({ id }) => id === this.view.metric) ?? metrics[0]!;
  }

  private get group() {
    const { groups } = this.summary;
    return groups.find(({ id }) => id === this.view.group) ?? groups[0]!;
  }

  private change(part: Partial<SavedView>): void {
    this.save(part);
    this.width = 0;
    this.draw();
    this.showPoint();
    this.tables.refresh();
  }

  private save(part: Partial<SavedView>): void {
    this.view = { ...this.view, ...part };
    this.host.saveState(this.view);
  }

  private draw(): void {
    const width = Math.max(360, Math.floor(this.figure.clientWidth));
    if (width === this.width) return;
    this.width = width;
    const { metric, group } = this;
    this.groups.show(this.groupChoices, group.id);
    this.axes.show(axisChoices, metric.id);
    const data = chartData(this.summary, group.id, metric, this.evaluation.metadata.model.visualTokens);
    this.chart.draw(data, metric, width, this.chartWords());
    const left = data.left.length > 0 ? ` Without a value on this axis: ${data.left.join(', ')}.` : '';
    this.note.textContent =
      `Whiskers: 95 % interval (Wilson) of ${count(group.questions.length)} questions. Points at the same cost stand 6 px apart. ` +
      `The band is no pruning.${left}`;
  }

  private chartTitle(): string {
    return `Accuracy on ${this.group.title} against ${this.metric.name}.`;
  }

  /** What, on which questions, its range and its extremes. */
  private chartWords(): string {
    const { group, summary } = this;
    const results = summary.conditions.flatMap(({ condition, groups }) => {
      const result = groups[group.id];
      return result && result.answered > 0 ? [{ condition, result }] : [];
    });
    const pruned = results.filter(({ condition }) => condition.id !== unprunedId);
    const best = [...pruned].sort((a, b) => b.result.accuracy - a.result.accuracy)[0];
    const none = results.find(({ condition }) => condition.id === unprunedId);
    const words = [
      this.chartTitle(),
      none ? `No pruning: ${percent(none.result.accuracy)}.` : '',
      best ? `Best of the others: ${best.condition.title}, ${percent(best.result.accuracy)}.` : '',
      'Arrow keys move from point to point, t shows a table.',
    ];
    return words.filter(word => word !== '').join(' ');
  }

  private tableData() {
    return chartTable(this.summary, this.group.id, this.group.title);
  }

  private locked(condition: string | undefined): void {
    if (condition !== undefined && condition !== this.view.locked) this.disagreements.choose(unprunedId, condition);
    this.save({ locked: condition ?? '' });
    this.showPoint();
  }

  private showPoint(): void {
    const { point } = this.chart;
    if (!point) {
      const hint =
        'Point at a marker, or press the arrow keys in the chart, to read its numbers. A click keeps them and lists below what pruning cost.';
      this.readout.replaceChildren(element('p', { class: 'dim' }, hint));
      return;
    }
    const { condition } = point.summary;
    const budget = condition.budget === undefined ? '' : `, ${count(condition.budget)} tokens`;
    const rows = pointFacts(point).map(([name, value]) =>
      element('tr', {}, element('th', { scope: 'row' }, name), element('td', {}, value)),
    );
    this.readout.replaceChildren(
      element('h2', {}, `${condition.title}${budget}`),
      element('p', { class: 'dim' }, this.group.title),
      element('table', {}, element('tbody', {}, ...rows)),
    );
  }

  private readonly pressed = (event: KeyboardEvent): void => {
    const typing = event.target instanceof Element && event.target.closest('vscode-dropdown') !== null;
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 's') this.host.post({ type: 'saveFigure', figure: 0 });
    if (event.key === 's' || (event.key === 't' && this.tables.toggle())) event.preventDefault();
  };
}

const figureTitle = 'Accuracy against cost';

const axisChoices: readonly Choice[] = metrics.map(({ id, name }) => ({ value: id, text: name }));
