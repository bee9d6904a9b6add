import { linkButton } from '../controls.ts';
import { element, setText } from '../element.ts';
import type { PanelContext } from '../panel-context.ts';
import type { Selection } from '../selection.ts';

/** The frame of a readout that says much about one thing: what it is, where it stands, whether it is locked, and details that scroll. */
export class DetailsReadout {
  readonly element: HTMLElement;
  private readonly title = element('span', { class: 'title', dir: 'auto' });
  private readonly place = element('small');
  private readonly lock = element('span', { class: 'lock small dim' });
  private readonly body: HTMLElement;

  /** @param name starts the test ids */
  constructor({ actions }: PanelContext, name: string) {
    const unlock = linkButton(`${name}-unlock`, 'Esc', () => {
      actions.unlock();
    });
    unlock.className = 'key';
    unlock.title = 'Unlock';
    this.lock.append('locked ', unlock);
    this.body = element('div', {
      class: 'fate-body',
      'data-testid': `${name}-body`,
      tabindex: 0,
      'aria-label': 'Details',
    });
    this.element = element(
      'aside',
      { class: 'readout fate-readout', 'data-testid': `${name}-readout`, 'aria-label': 'Readout' },
      element('div', { class: 'readout-title' }, this.title, this.place, this.lock),
      this.body,
    );
  }

  showLock({ tokenLocked, patch }: Selection): void {
    this.lock.classList.toggle('shown', tokenLocked || patch !== null);
  }

  /** From the top again. */
  show(title: string, place: string, ...details: readonly HTMLElement[]): void {
    setText(this.title, title);
    setText(this.place, place);
    this.body.replaceChildren(...details);
    this.body.scrollTop = 0;
  }
}
