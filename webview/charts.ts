import { element } from './element.ts';

export interface TableColumn {
  readonly title: string;
  readonly numeric: boolean;
}

/** A chart as rows of text: shown in its place by `t`, copied by Ctrl+C. */
export interface TableData {
  readonly caption: string;
  readonly columns: readonly TableColumn[];
  readonly rows: readonly (readonly string[])[];
}

export const tableColumn = (title: string, numeric = true): TableColumn => ({ title, numeric });

/** Tab-separated values; line feeds and tabs inside a cell would break the rows and become spaces. */
export function toTsv({ columns, rows }: TableData): string {
  const lines = [columns.map(column => column.title), ...rows];
  return lines.map(cells => cells.map(cell => cell.replace(/[\t\r\n]+/g, ' ')).join('\t')).join('\n') + '\n';
}

export function tableElement({ caption, columns, rows }: TableData): HTMLElement {
  const cell = (tag: 'th' | 'td', text: string, numeric: boolean): HTMLElement =>
    element(tag, { class: numeric ? 'numeric' : undefined, scope: tag === 'th' ? 'col' : undefined }, text);
  const head = element('tr', {}, ...columns.map(column => cell('th', column.title, column.numeric)));
  const body = rows.map(row =>
    element('tr', {}, ...row.map((text, index) => cell('td', text, columns[index]?.numeric ?? false))),
  );
  const table = element(
    'table',
    {},
    element('caption', {}, caption),
    element('thead', {}, head),
    element('tbody', {}, ...body),
  );
  return element('div', { class: 'chart-table', 'data-testid': 'chart-table', tabindex: 0 }, table);
}

interface Chart {
  readonly container: HTMLElement;
  readonly body: HTMLElement | SVGElement;
  readonly data: () => TableData;
  shown: HTMLElement | null;
}

/** Every chart's second face. */
export class ChartTables {
  private readonly charts: Chart[] = [];

  /** @param body the drawn part of `container`, hidden while the table is shown */
  add(container: HTMLElement, body: HTMLElement | SVGElement, data: () => TableData): void {
    this.charts.push({ container, body, data, shown: null });
  }

  /** Swaps the chart that has the focus for its table, or back. @returns whether a chart had it */
  toggle(): boolean {
    const chart = this.focused();
    if (!chart) return false;
    if (chart.shown) {
      chart.shown.remove();
      chart.shown = null;
      chart.body.removeAttribute('hidden');
      chart.body.focus();
    } else {
      chart.shown = tableElement(chart.data());
      chart.body.setAttribute('hidden', '');
      chart.body.after(chart.shown);
      chart.shown.focus();
    }
    return true;
  }

  /** Brings the tables that are shown up to date. */
  refresh(): void {
    for (const chart of this.charts) {
      if (!chart.shown) continue;
      const focused = chart.shown.contains(document.activeElement);
      const next = tableElement(chart.data());
      chart.shown.replaceWith(next);
      chart.shown = next;
      if (focused) next.focus();
    }
  }

  /** The focused chart's rows; undefined when no chart has the focus. */
  focusedTsv(): string | undefined {
    const chart = this.focused();
    return chart && toTsv(chart.data());
  }

  private focused(): Chart | undefined {
    const active = document.activeElement;
    return this.charts.find(
      ({ body, shown }) =>
        active === body || (shown?.contains(active) ?? false) || (active !== null && body.contains(active)),
    );
  }
}
