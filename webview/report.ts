/** The script of an exported report: the panel, over the runs that the page carries. The page is complete without it. */
import './style/tokens.css';
import './style/frame.css';
import './style/strip.css';
import './style/image.css';
import './style/canvas.css';
import './style/pruning-charts.css';
import './style/pruning.css';
import './style/high-resolution.css';
import './style/axis.css';
import './style/compare.css';
import './style/light-theme.css';
import './style/report.css';
import './style/report-pages.css';
import { embeddedRunId, type EmbeddedRun } from '../trace/embedding.ts';
import { ownRun } from './compare/comparison.ts';
import { registerControls } from './controls.ts';
import { element } from './element.ts';
import type { Host } from './host.ts';
import { Panel } from './panel.ts';
import type { FigureFormat } from './messages.ts';
import { EmbeddedSource } from './source/embedded-source.ts';

/** A document has no editor around it: nothing can be run, and what is chosen is forgotten when it is closed. */
const noEditor = (saveFigure: (figure: number | undefined) => void): Host => ({
  post: message => {
    if (message.type === 'saveFigure') saveFigure(message.figure);
  },
  savedState: () => undefined,
  saveState: () => undefined,
  listen: () => () => undefined,
});

const textOf = (id: string): string => document.getElementById(id)?.textContent ?? '';

function embeddedRuns(): EmbeddedRun[] {
  const runs: EmbeddedRun[] = [];
  for (let text = textOf(embeddedRunId()); text !== ''; text = textOf(embeddedRunId(runs.length)))
    runs.push(JSON.parse(text) as EmbeddedRun);
  return runs.filter(({ tensors }) => tensors.length > 0);
}

/** One panel at a time: of several runs, the reader chooses which. */
class ReportPanel {
  private readonly room = element('div');
  private readonly figures = element('select', { 'aria-label': 'Figure to save', 'data-testid': 'figure-choice' });
  private readonly host = noEditor(figure => {
    if (figure !== undefined) void this.save(figure, 'svg');
  });
  private readonly buttons: readonly HTMLButtonElement[];
  private readonly sources = new Map<EmbeddedRun, Promise<EmbeddedSource>>();
  private panel: Panel | undefined;
  private opening = 0;

  constructor(
    private readonly place: HTMLElement,
    private readonly runs: readonly EmbeddedRun[],
  ) {
    this.buttons = runs.map((run, index) => {
      const text = run.name ?? String(index + 1);
      const button = element('button', { type: 'button', role: 'radio', 'data-testid': `run-${index}` }, text);
      button.addEventListener('click', () => {
        this.show(index).catch((error: unknown) => {
          this.fail(error);
        });
      });
      return button;
    });
  }

  async open(): Promise<void> {
    if (this.runs.length === 0) return;
    registerControls();
    if (this.runs.length > 1)
      this.place.append(
        element('div', { class: 'run-choice', role: 'radiogroup', 'aria-label': 'Run that is shown' }, ...this.buttons),
      );
    this.place.append(this.room, this.figureRow());
    await this.show(0);
  }

  fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const text = `The interactive part cannot be shown here: ${message}. The figures below are complete; a current Chrome, Edge, Firefox or Safari shows both.`;
    this.place.hidden = false;
    this.place.replaceChildren(element('p', { class: 'report-problem' }, text));
  }

  /** Below the panel: what of it to save, and as what. */
  private figureRow(): HTMLElement {
    // Which charts are in sight changes with the view; the list is made when it is asked for.
    this.figures.addEventListener('focus', () => {
      this.listFigures();
    });
    const button = (format: FigureFormat): HTMLElement => {
      const made = element(
        'button',
        { type: 'button', 'data-testid': `save-${format}` },
        `Save as ${format.toUpperCase()}`,
      );
      made.addEventListener('click', () => {
        void this.save(Number(this.figures.value), format);
      });
      return made;
    };
    return element(
      'div',
      { class: 'figure-choice' },
      element('span', {}, 'Figure'),
      this.figures,
      button('svg'),
      button('png'),
    );
  }

  private listFigures(): void {
    const chosen = this.figures.value;
    const names = this.panel?.figures() ?? [];
    this.figures.replaceChildren(...names.map(({ id, title }) => element('option', { value: id }, title)));
    if (names.some(({ id }) => String(id) === chosen)) this.figures.value = chosen;
  }

  private async save(figure: number, format: FigureFormat): Promise<void> {
    try {
      const name = this.panel?.figures().find(({ id }) => id === figure)?.fileName ?? 'figure';
      const data = await this.panel?.drawFigure(figure, format, 'light');
      if (data) download(`${name}.${format}`, data, format);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.room.after(element('p', { class: 'report-problem', role: 'alert' }, `The figure was not saved: ${message}`));
    }
  }

  private async show(index: number): Promise<void> {
    const turn = ++this.opening;
    const panel = await Panel.open(await this.source(this.runs[index]!), this.host, false);
    if (turn !== this.opening) {
      panel.dispose();
      return;
    }
    this.panel?.dispose();
    this.panel = panel;
    this.buttons.forEach((button, at) => {
      button.setAttribute('aria-checked', String(at === index));
    });
    const top = window.scrollY;
    this.place.hidden = false;
    this.room.append(panel.element);
    panel.start();
    this.listFigures();
    // The strip brings its token into sight, which on opening a page is not what the reader asked for.
    window.scrollTo(0, top);
    await this.compare(panel, index);
  }

  /** Puts the other runs of the page next to the one that is shown. */
  private async compare(panel: Panel, index: number): Promise<void> {
    const others = this.runs.filter((_, at) => at !== index);
    const sources = await Promise.all(others.map(run => this.source(run)));
    if (panel !== this.panel || others.length === 0) return;
    const further = others.map((run, at) => {
      const place = this.runs.indexOf(run);
      return { address: `${ownRun} ${place}`, name: run.name ?? String(place + 1), source: sources[at]! };
    });
    panel.compare(further, false);
  }

  private source(run: EmbeddedRun): Promise<EmbeddedSource> {
    const known = this.sources.get(run) ?? EmbeddedSource.open(run, textOf);
    this.sources.set(run, known);
    return known;
  }
}

function download(name: string, data: Uint8Array<ArrayBuffer>, format: FigureFormat): void {
  const url = URL.createObjectURL(new Blob([data], { type: format === 'svg' ? 'image/svg+xml' : 'image/png' }));
  element('a', { href: url, download: name }).click();
  // The browser has taken the file over by then.
  window.setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 60_000);
}

const place = document.getElementById('fovea-panel');
if (place) {
  const panel = new ReportPanel(place, embeddedRuns());
  panel.open().catch((error: unknown) => {
    panel.fail(error);
  });
}
