import { linkButton } from './controls.ts';
import { setText } from './element.ts';

const pause = 900;

/** What a player goes through: places from the first to the last, one of which is shown. */
export interface Played {
  position(): number;
  first(): number;
  last(): number;
  show(position: number): void;
}

/** A button that goes through places by itself. It stops at the end and at any key; where motion is unwelcome, it steps. */
export class Player {
  readonly element: HTMLButtonElement;
  private timer: number | undefined;
  private readonly stopOnKey = ({ key, target }: KeyboardEvent): void => {
    // These toggle: stopped here, it would start again.
    const toggles = key === ' ' || (key === 'Enter' && target === this.element);
    if (!toggles) this.stop();
  };

  /** @param what is played, in the plural: "stages" */
  constructor(
    private readonly what: string,
    private readonly played: Played,
  ) {
    this.element = linkButton(`play-${what}`, '▶', () => {
      this.toggle();
    });
    this.element.className = 'key';
    this.draw();
  }

  /** Plays from the place that is shown, or from the start at the end. */
  toggle(): void {
    if (this.timer !== undefined) {
      this.stop();
      return;
    }
    const { played } = this;
    played.show(played.position() >= played.last() ? played.first() : played.position() + 1);
    const reduced = matchMedia('(prefers-reduced-motion: reduce)').matches;
    if (reduced || document.body.classList.contains('vscode-reduce-motion')) return;
    this.timer = window.setInterval(() => {
      // Another view may have been chosen, whose words and layers must not move by themselves.
      if (played.position() >= played.last() || this.element.closest('[hidden]')) this.stop();
      else played.show(played.position() + 1);
    }, pause);
    document.addEventListener('keydown', this.stopOnKey, { capture: true });
    this.draw();
  }

  stop(): void {
    window.clearInterval(this.timer);
    this.timer = undefined;
    document.removeEventListener('keydown', this.stopOnKey, { capture: true });
    this.draw();
  }

  private draw(): void {
    const playing = this.timer !== undefined;
    setText(this.element, playing ? '❚❚' : '▶');
    const label = playing ? `Stop playing the ${this.what}` : `Play the ${this.what} (Space)`;
    this.element.setAttribute('aria-label', label);
    this.element.title = label;
  }
}
