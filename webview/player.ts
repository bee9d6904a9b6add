import { linkButton } from './controls.ts';
import { setText } from './element.ts';
import { Playing } from './playing.ts';

const pause = 900;

/** What a player goes through: places from the first to the last, one of which is shown. */
export interface Played {
  position(): number;
  first(): number;
  last(): number;
  show(position: number): void;
}

/** A button that goes through places by itself. It stops at the end, at any key, and when its view is left. */
export class Player {
  readonly element: HTMLButtonElement;
  private readonly playing = new Playing(
    () => this.step(),
    () => {
      this.changed();
    },
    pause,
  );
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
    if (this.playing.on) this.stop();
    else this.playing.start();
  }

  stop(): void {
    this.playing.stop();
  }

  private step(): boolean {
    // Another view may have been chosen, whose words and layers must not move by themselves.
    if (this.element.closest('[hidden]')) return false;
    const { played } = this;
    const next = played.position() >= played.last() ? played.first() : played.position() + 1;
    played.show(next);
    return next < played.last();
  }

  private changed(): void {
    if (this.playing.on) document.addEventListener('keydown', this.stopOnKey, { capture: true });
    else document.removeEventListener('keydown', this.stopOnKey, { capture: true });
    this.draw();
  }

  private draw(): void {
    setText(this.element, this.playing.on ? '❚❚' : '▶');
    const label = this.playing.on ? `Stop playing the ${this.what}` : `Play the ${this.what} (Space)`;
    this.element.setAttribute('aria-label', label);
    this.element.title = label;
  }
}
