import type { RunMetadata } from '../../trace/schema.ts';
import { linkButton } from '../controls.ts';
import { element } from '../element.ts';
import { count, duration } from '../format.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import type { Scene } from '../scene.ts';
import type { View } from '../views/view.ts';

/** Which run this is and which of its views is shown. */
export class RunBar implements Region {
  readonly element: HTMLElement;
  private readonly tabs: HTMLButtonElement[];
  /** The views that the run has something for. */
  private readonly open: readonly View[];
  private readonly line = element('div', { class: 'run-line', 'data-testid': 'run-line', role: 'alert', hidden: '' });

  constructor(
    private readonly context: PanelContext,
    private readonly views: readonly View[],
  ) {
    this.open = views.filter(view => view.missing(context.metadata) === undefined);
    this.tabs = views.map(view => this.tab(view));
    const tablist = element('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Views of this run' }, ...this.tabs);
    this.element = element(
      'header',
      { class: 'run', 'aria-label': 'Run' },
      element('nav', {}, tablist),
      this.facts(),
      this.line,
    );
  }

  draw({ selection }: Scene): void {
    this.views.forEach((view, index) => {
      const chosen = view.id === selection.view;
      this.tabs[index]!.setAttribute('aria-selected', String(chosen));
      this.tabs[index]!.tabIndex = chosen ? 0 : -1;
    });
  }

  /** One line with cause and next step; what was computed stays in sight. */
  showProblem(message: string, hint: string): void {
    const parts = [message, hint].filter(part => part !== '');
    const log = linkButton('show-log', 'Show log', () => {
      this.context.host.post({ type: 'command', command: 'showLog' });
    });
    this.line.replaceChildren(element('span', {}, parts.join(' ')), ' ', log);
    this.line.hidden = false;
  }

  private tab(view: View): HTMLButtonElement {
    const missing = view.missing(this.context.metadata);
    const tab = element(
      'button',
      {
        type: 'button',
        role: 'tab',
        'data-testid': `view-${view.id}`,
        'aria-disabled': missing === undefined ? undefined : 'true',
        title: missing,
      },
      view.title,
    );
    if (missing !== undefined) return tab;
    tab.addEventListener('click', () => {
      this.context.selection.set({ view: view.id });
    });
    tab.addEventListener('keydown', event => {
      const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
      const next = this.open[(this.open.indexOf(view) + step + this.open.length) % this.open.length];
      if (step === 0 || !next || next === view) return;
      event.stopPropagation();
      this.context.selection.set({ view: next.id });
      this.tabs[this.views.indexOf(next)]?.focus();
    });
    return tab;
  }

  private facts(): HTMLElement {
    const { metadata, canRun, host } = this.context;
    const { method } = metadata;
    const fact = (name: string, value: string): HTMLElement =>
      element('span', { class: 'fact', 'data-fact': name }, element('span', { class: 'dim small' }, name), ` ${value}`);
    const facts = [
      fact('image', metadata.image.name),
      fact('model', metadata.model.name),
      fact('method', [method.title ?? method.name, ...(method.variant ? [method.variant] : [])].join(', ')),
      ...(method.budget ? [fact('budget', budgetWords(method.budget))] : []),
      fact('run', duration(metadata.ms.total)),
    ];
    if (metadata.status.state === 'cancelled')
      facts.push(
        element(
          'span',
          { class: 'fact warn', 'data-testid': 'run-status' },
          `cancelled after ${metadata.status.after}`,
        ),
      );
    const run = canRun
      ? linkButton('ask-again', 'Ask again…', () => {
          host.post({ type: 'command', command: 'askAgain' });
        })
      : element('span', { class: 'dim small', 'data-testid': 'untrusted' }, 'Running needs a trusted workspace');
    return element('div', { class: 'facts' }, ...facts, run);
  }
}

/** "128 → E_in 129.3": asked and reached, and by which count. */
function budgetWords({ asked, reached, counted }: NonNullable<RunMetadata['method']['budget']>): string {
  return `${count(asked)} → ${counted === 'entering' ? 'E_in' : 'E_out'} ${reached.toFixed(1)}`;
}
