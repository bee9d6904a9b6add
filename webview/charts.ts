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

/** What a saved figure of a chart says that the page around it says otherwise. */
export interface ChartFigure {
  /** Default: the chart's heading, else the caption of its table. */
  readonly title?: string;
  /** Default: the text alternative of what is drawn, and the caption of its table. */
  readonly caption?: () => string;
  /** The scale of heat that the chart itself does not draw: over a picture, or opaque. */
  readonly scale?: 'overlay' | 'maps';
}

export interface Chart {
  readonly container: HTMLElement;
  readonly body: HTMLElement | SVGElement;
  readonly data: () => TableData;
  readonly figure: ChartFigure;
  shown: HTMLElement | null;
}

/** The registry of all charts: each has a table as its second face, and can be saved as a figure. */
export class ChartTables {
  private readonly charts: Chart[] = [];

  /** In the order in which they came to be. */
  get all(): readonly Chart[] {
    return this.charts;
  }

  /**
   * @param container all of the chart with its heading and legend, which a figure shows
   * @param body the drawn part of `container`, hidden while the table is shown
   */
  add(
    container: HTMLElement,
    body: HTMLElement | SVGElement,
    data: () => TableData,
    figure: ChartFigure | (() => ChartFigure) = {},
  ): void {
    // VS Code's context menu offers to save what lies under the pointer; the number finds the chart again.
    const context = { foveaFigure: this.charts.length, preventDefaultContextMenuItems: true };
    container.setAttribute('data-vscode-context', JSON.stringify(context));
    const saved = typeof figure === 'function' ? figure : (): ChartFigure => figure;
    this.charts.push({
      container,
      body,
      data,
      get figure() {
        return saved();
      },
      shown: null,
    });
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

  /** Copying takes the focused chart's rows, unless text is selected. @returns the end of listening */
  listenToCopy(): () => void {
    const copied = (event: ClipboardEvent): void => {
      if ((document.getSelection()?.toString() ?? '') !== '') return;
      const chart = this.focused();
      if (!chart || !event.clipboardData) return;
      event.clipboardData.setData('text/plain', toTsv(chart.data()));
      event.preventDefault();
    };
    document.addEventListener('copy', copied);
    return () => {
      document.removeEventListener('copy', copied);
    };
  }

  focused(): Chart | undefined {
    const active = document.activeElement;
    return this.charts.find(
      ({ body, shown }) =>
        active === body || (shown?.contains(active) ?? false) || (active !== null && body.contains(active)),
    );
  }
}
