/** What can be saved as a figure: every chart of the registry that is in sight, and the view as a whole. */
import type { Chart, ChartTables } from '../charts.ts';
import type { Theme } from '../colour/theme.ts';
import type { FigureName } from '../messages.ts';
import { figureFileName } from './file-name.ts';
import { drawPage } from './page-drawing.ts';
import { composeSheet, type FigureScale, type FinishedSheet } from './figure-sheet.ts';

/** The whole view has no number in the registry. */
const wholeView = -1;

/** What the panel around a figure says to it. */
export interface FigureSetting {
  readonly theme: Theme;
  /** What every caption says, so that the figure can be understood without the panel. */
  readonly standing: string;
  /** Of the heat in a chart; undefined where its colours need none. */
  readonly scaleOf: (chart: Chart | undefined) => FigureScale | undefined;
}

/** @param subject what the file is named after: the run's image, or workload */
export function listFigures(tables: ChartTables, view: HTMLElement, subject: string): FigureName[] {
  const named = (id: number, title: string): FigureName => ({ id, title, fileName: figureFileName(subject, title) });
  const charts = [...tables.all.entries()]
    .filter(([, { container }]) => inSight(container))
    .sort(([, a], [, b]) => (precedes(a.container, b.container) ? -1 : 1))
    .map(([id, chart]) => named(id, titleOf(chart)));
  const inView = tables.all.filter(({ container }) => inSight(container) && view.contains(container));
  return inView.length > 1 ? [...charts, named(wholeView, viewTitle(view))] : charts;
}

/** Draws what the page shows now. @throws Error when it is not in sight, or empty */
export function drawFigure(tables: ChartTables, view: HTMLElement, id: number, setting: FigureSetting): FinishedSheet {
  const chart = tables.all[id];
  const root = id === wholeView ? view : chart?.container;
  if (!root || !inSight(root)) throw new Error('This part of the panel is not in sight.');
  const inView = (): Chart[] => tables.all.filter(({ container }) => view.contains(container) && inSight(container));
  const shown = chart ? [chart] : inView();
  const end = unfold(root, shown);
  try {
    const title = chart ? titleOf(chart) : viewTitle(view);
    const heading = chart ? headingOf(chart) : undefined;
    const said = chart ? captionOf(chart) : viewCaption(shown);
    return composeSheet({
      title,
      caption: `${sentence(said)} ${setting.standing}`,
      // The caption begins with the title, so that the heading need not be drawn.
      drawing: drawPage(root, heading ? [heading] : []),
      scale: setting.scaleOf(shown.find(({ figure }) => figure.scale) ?? shown[0]),
      theme: setting.theme,
    });
  } finally {
    end();
  }
}

const precedes = (a: Node, b: Node): boolean => (a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0;

const inSight = (element: HTMLElement): boolean => element.checkVisibility() && element.getClientRects().length > 0;

const headingOf = ({ container }: Chart): Element | undefined => container.querySelector('h2, h3') ?? undefined;

const titleOf = (chart: Chart): string =>
  chart.figure.title ?? (headingOf(chart)?.textContent.trim() || chart.data().caption);

const viewTitle = (view: HTMLElement): string => {
  const shown = Array.from(view.children).find(child => child instanceof HTMLElement && inSight(child));
  const name = shown?.getAttribute('aria-label') ?? '';
  return name === '' ? 'Whole view' : `Whole view: ${name}`;
};

function captionOf({ body, data, figure }: Chart): string {
  if (figure.caption) return figure.caption();
  const { caption } = data();
  const marked = body.getAttribute('role') === 'img' ? body : body.querySelector(':scope > [role="img"][aria-label]');
  return marked?.getAttribute('aria-label') ?? caption;
}

function viewCaption(shown: readonly Chart[]): string {
  return shown.map(chart => `${titleOf(chart)}: ${sentence(captionOf(chart))}`).join(' ');
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

/** Shows what the window scrolls away, and charts where their tables are shown. @returns the way back */
function unfold(root: HTMLElement, charts: readonly Chart[]): () => void {
  const ends: (() => void)[] = [];
  for (const { body, shown } of charts) {
    if (!shown) continue;
    shown.hidden = true;
    body.removeAttribute('hidden');
    ends.push(() => {
      shown.hidden = false;
      body.setAttribute('hidden', '');
    });
  }
  for (const element of [root, ...root.querySelectorAll<HTMLElement>('*')]) {
    const { overflowX, overflowY } = getComputedStyle(element);
    if (!/auto|scroll/.test(overflowX + overflowY)) continue;
    const { scrollLeft, scrollTop } = element;
    const { overflow, maxHeight } = element.style;
    element.scrollTo({ left: 0, top: 0, behavior: 'instant' });
    element.style.overflow = 'visible';
    element.style.maxHeight = 'none';
    ends.push(() => {
      element.style.overflow = overflow;
      element.style.maxHeight = maxHeight;
      element.scrollTo({ left: scrollLeft, top: scrollTop, behavior: 'instant' });
    });
  }
  return () => {
    for (const end of ends.reverse()) end();
  };
}
