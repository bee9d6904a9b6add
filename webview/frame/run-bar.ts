import type { RunMetadata } from '../../trace/schema.ts';
import { linkButton } from '../controls.ts';
import { element } from '../element.ts';
import { count, duration } from '../format.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import type { ViewChoice } from '../view-choice.ts';
import type { View, WholeView } from '../views/view.ts';

type AnyView = View | WholeView;

/** Which run this is and which of its views is shown. */
export class RunBar implements Region {
  readonly element: HTMLElement;
  private readonly tabs: HTMLButtonElement[];
  private readonly line = element('div', { class: 'run-line', 'data-testid': 'run-line', role: 'alert', hidden: '' });

  constructor(
    private readonly context: PanelContext,
    private readonly views: readonly AnyView[],
    private readonly choice: ViewChoice,
  ) {
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

  draw(): void {
    const shown = this.choice.view;
    this.views.forEach((view, index) => {
      const tab = this.tabs[index]!;
      tab.setAttribute('aria-selected', String(view === shown));
      tab.tabIndex = view === shown ? 0 : -1;
      const missing = this.choice.missing(view);
      tab.title = missing ?? '';
      if (missing === undefined) tab.removeAttribute('aria-disabled');
      else tab.setAttribute('aria-disabled', 'true');
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

  private tab(view: AnyView): HTMLButtonElement {
    const tab = element(
      'button',
      {
        type: 'button',
        role: 'tab',
        'data-testid': `view-${view.id}`,
      },
      view.titleOf?.(this.context.metadata) ?? view.title,
    );
    tab.addEventListener('click', () => {
      if (this.choice.missing(view) === undefined) this.context.selection.set({ view: view.id });
    });
    tab.addEventListener('keydown', event => {
      const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
      const open = this.views.filter(one => this.choice.missing(one) === undefined);
      const next = open[(open.indexOf(view) + step + open.length) % open.length];
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
      fact('method', methodWords(method)),
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
    const compare = linkButton('compare-with', 'Compare with…', () => {
      host.post({ type: 'command', command: 'compareRuns' });
    });
    return element('div', { class: 'facts' }, ...facts, run, compare);
  }
}

/** "MustDrop, code + FlexAttention, code" */
function methodWords({ beside, ...method }: RunMetadata['method']): string {
  return [method, ...(beside ? [beside] : [])]
    .map(({ title, name, variant }) => [title ?? name, ...(variant ? [variant] : [])].join(', '))
    .join(' + ');
}

/** "128 → E_in 129.3": asked and reached, and by which count. */
function budgetWords({ asked, reached, counted }: NonNullable<RunMetadata['method']['budget']>): string {
  return `${count(asked)} → ${counted === 'entering' ? 'E_in' : 'E_out'} ${reached.toFixed(1)}`;
}
