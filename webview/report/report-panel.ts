/** The interactive part of a report: a panel over what the page carries, with a choice of trace and of figures below it. */
import { registerControls } from '../controls.ts';
import { element } from '../element.ts';
import type { Host } from '../host.ts';
import type { FigureFormat } from '../messages.ts';
import type { AnyPanel, EmbeddedTraces } from './embedded-traces.ts';

/** A document has no editor around it: nothing can be run, and what is chosen is forgotten when it is closed. */
const noEditor = (saveFigure: (figure: number | undefined) => void): Host => ({
  post: message => {
    if (message.type === 'saveFigure') saveFigure(message.figure);
  },
  savedState: () => undefined,
  saveState: () => undefined,
  listen: () => () => undefined,
});

/** One panel at a time: of several traces, the reader chooses which. */
export class ReportPanel {
  /** Takes the focus when something in it is clicked, so that keys then mean what they mean in the panel. */
  private readonly room = element('div', { class: 'panel-room', tabindex: -1 });
  private readonly figures = element('select', { 'aria-label': 'Figure to save', 'data-testid': 'figure-choice' });
  private readonly host = noEditor(figure => {
    if (figure !== undefined) void this.save(figure, 'svg');
  });
  private readonly buttons: readonly HTMLButtonElement[];
  private panel: AnyPanel | undefined;
  private opening = 0;

  constructor(
    private readonly place: HTMLElement,
    private readonly traces: EmbeddedTraces,
  ) {
    this.buttons = traces.names.map((text, index) => {
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
    if (this.buttons.length === 0) return;
    registerControls();
    if (this.buttons.length > 1)
      this.place.append(
        element('div', { class: 'run-choice', role: 'radiogroup', 'aria-label': 'Run that is shown' }, ...this.buttons),
      );
    this.place.append(this.room, this.figureRow());
    this.keepScrolling();
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
    const panel = await this.traces.open(index, this.host);
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
    await this.traces.compare(panel, index, () => panel === this.panel);
  }

  /** Where the page goes on below the panel, keys that scroll are the page's until the reader is in the panel. */
  private keepScrolling(): void {
    const scrolled = (event: KeyboardEvent): void => {
      const inside = event.target instanceof Node && this.room.contains(event.target);
      if (scrollKeys.includes(event.key) && !inside) event.stopPropagation();
    };
    document.addEventListener('keydown', scrolled, { capture: true });
  }
}

const scrollKeys: readonly string[] = [' ', 'ArrowUp', 'ArrowDown'];

function download(name: string, data: Uint8Array<ArrayBuffer>, format: FigureFormat): void {
  const url = URL.createObjectURL(new Blob([data], { type: format === 'svg' ? 'image/svg+xml' : 'image/png' }));
  element('a', { href: url, download: name }).click();
  // The browser has taken the file over by then.
  window.setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 60_000);
}
