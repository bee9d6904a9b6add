import { headWords } from '../cross-attention/cross-overlay.ts';
import { notReading, placeWords } from '../cross-attention/cross-scene.ts';
import { element, setText } from '../element.ts';
import { share } from '../format.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import type { Scene } from '../scene.ts';
import { DetailScale } from './detail-scale.ts';
import { StepPlayer } from './step-player.ts';

/** Which word of the answer is shown, and what the colours on the image mean. */
export class CrossLegend implements Region {
  readonly element: HTMLElement;
  private readonly player: StepPlayer;
  private readonly what = element('span', { class: 'cross-what', 'data-testid': 'cross-what' });
  private readonly scale = new DetailScale('cross-ramp');

  constructor(context: PanelContext) {
    this.player = new StepPlayer(context, 'words', { slider: 'cross-slider', name: 'cross-step' });
    this.element = element(
      'div',
      { class: 'fate-legend', 'data-testid': 'cross-legend', role: 'group', 'aria-label': 'Word and scale' },
      this.player.element,
      element('div', { class: 'detail-row' }, this.what, this.scale.element),
    );
  }

  draw(scene: Scene): void {
    const { cross, metadata, focus } = scene;
    this.player.show(focus.token - metadata.promptTokens);
    setText(this.what, cross ? shownWords(scene) : 'no cross-attention in this trace');
    this.what.title = this.what.textContent;
    this.scale.show(cross?.shown ? cross.maximum : null, scene);
  }

  toggle(): void {
    this.player.toggle();
  }

  dispose(): void {
    this.player.stop();
  }
}

/** "frame 3, 64 % · before D8, mean of 6 heads" */
function shownWords({ cross, focus }: Scene): string {
  if (!cross) return '';
  if (!cross.shown) return notReading(cross, focus.layers.last);
  const on = cross.shares ? ` ${share(cross.shares[cross.frame]!)}` : '';
  const frame = cross.run.frames > 0 ? `frame ${cross.frame + 1}${on} · ` : '';
  return `${frame}${placeWords(cross)}, ${headWords(cross)}`;
}
