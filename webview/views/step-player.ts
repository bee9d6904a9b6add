import { stepCount } from '../../trace/high-resolution.ts';
import { quoted } from '../attention/rows.ts';
import { element, setText } from '../element.ts';
import type { PanelContext } from '../panel-context.ts';
import { Player } from '../player.ts';

/** Goes through the words of the answer: a button that plays them, a slider, and the name of the one that is shown. */
export class StepPlayer {
  readonly element: HTMLElement;
  private readonly player: Player;
  private readonly slider: HTMLInputElement;
  private readonly name: HTMLElement;
  private readonly last: number;

  /** @param testIds of the slider and the name */
  constructor(
    private readonly context: PanelContext,
    what: string,
    testIds: { readonly slider: string; readonly name: string },
  ) {
    const { actions, metadata, selection } = context;
    this.last = stepCount(metadata) - 1;
    this.player = new Player(what, {
      position: () => selection.get().token - metadata.promptTokens,
      first: () => 0,
      last: () => this.last,
      show: step => {
        actions.chooseStep(step);
      },
    });
    this.slider = element('input', {
      type: 'range',
      min: 0,
      step: 1,
      'aria-label': 'Step',
      'data-testid': testIds.slider,
    });
    this.slider.max = String(Math.max(0, this.last));
    this.slider.addEventListener('input', () => {
      this.player.stop();
      actions.chooseStep(Number(this.slider.value));
    });
    this.name = element('span', { class: 'stage-name', 'data-testid': testIds.name });
    this.element = element('div', { class: 'stage-row' }, this.player.element, this.slider, this.name);
  }

  /** @param step below 0 for a word of the prompt */
  show(step: number): void {
    const { metadata } = this.context;
    const token = metadata.tokens[metadata.promptTokens + step];
    const place = step < 0 ? 'prompt' : `step ${step} of ${Math.max(0, this.last)}`;
    const name = `${place} · ${token ? quoted(token.text) : ''}`;
    const value = String(Math.max(0, step));
    if (this.slider.value !== value) this.slider.value = value;
    this.slider.setAttribute('aria-valuetext', name);
    setText(this.name, name);
  }

  toggle(): void {
    this.player.toggle();
  }

  stop(): void {
    this.player.stop();
  }
}
