import { tableColumn, tableElement } from '../charts.ts';
import { element } from '../element.ts';
import { visibleToken } from '../format.ts';
import { notReading } from '../high-resolution/shown-selection.ts';
import type { PanelContext } from '../panel-context.ts';
import type { Scene } from '../scene.ts';
import { stepRow } from './step-matrix.ts';

/** The steps of the chosen layer, where there is no room for a matrix. */
export class StepTable {
  readonly element = element('div', { class: 'stage-table', 'data-testid': 'step-table' });
  private drawn = '';

  constructor(private readonly context: PanelContext) {}

  draw({ detail }: Scene): void {
    const key = `${detail?.step} ${detail?.layer}`;
    if (!detail || key === this.drawn) return;
    this.drawn = key;
    const { run, layer, step } = detail;
    if (!run.reads(layer)) {
      this.element.replaceChildren(element('p', { class: 'small' }, notReading(detail)));
      return;
    }
    const { tokens, promptTokens } = this.context.metadata;
    const rows = Array.from({ length: run.steps }, (_, at) => {
      const text = visibleToken(tokens[promptTokens + at]?.text ?? '');
      const [number, token, , ...values] = stepRow(run, at, layer, text);
      return [`${at === step ? '▸ ' : ''}${number ?? ''}`, token ?? '', ...values];
    });
    const columns = [
      tableColumn('step'),
      tableColumn('token', false),
      ...['tokens', 'IoU step', 'IoU layer', 'attention', 'change'].map(title => tableColumn(title)),
    ];
    this.element.replaceChildren(tableElement({ caption: `Steps of layer D${layer}`, columns, rows }));
  }
}
