import { element } from '../element.ts';

const pause = 300;

/** Tells screen readers and the status bar what is shown, at most every 300 ms and always the last word. */
export class Announcer {
  readonly element = element('div', {
    class: 'hidden-text',
    role: 'status',
    'aria-live': 'polite',
    'data-testid': 'live',
  });
  private said = '';
  private next = '';
  private timer: number | undefined;

  constructor(private readonly also: (text: string) => void) {}

  say(text: string): void {
    this.next = text;
    this.timer ??= window.setTimeout(() => {
      this.timer = undefined;
      if (this.next === this.said) return;
      this.said = this.next;
      this.element.textContent = this.said;
      this.also(this.said);
    }, pause);
  }

  dispose(): void {
    window.clearTimeout(this.timer);
  }
}
