import { stepCount } from '../../trace/high-resolution.ts';
import { quoted } from '../attention/rows.ts';
import { drawRamp } from '../colour/ramp.ts';
import { headWords } from '../cross-attention/cross-overlay.ts';
import { notReading, placeWords } from '../cross-attention/cross-scene.ts';
import { canvasRatio, element, setText } from '../element.ts';
import { share, tick } from '../format.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import { Player } from '../player.ts';
import type { Scene } from '../scene.ts';

/** Which word of the answer is shown, and what the colours on the image mean. */
export class CrossLegend implements Region {
  readonly element: HTMLElement;
  private readonly player: Player;
  private readonly slider = element('input', {
    type: 'range',
    min: 0,
    step: 1,
    'aria-label': 'Step',
    'data-testid': 'cross-slider',
  });
  private readonly step = element('span', { class: 'stage-name', 'data-testid': 'cross-step' });
  private readonly what = element('span', { class: 'cross-what', 'data-testid': 'cross-what' });
  private readonly ramp = element('canvas', { role: 'img', 'data-testid': 'cross-ramp' });
  private readonly most = element('span', { class: 'dim' });
  private readonly scale = element('span', { class: 'detail-scale' }, '0', this.ramp, this.most);
  private drawn = '';

  constructor(context: PanelContext) {
    const { actions, metadata, selection } = context;
    const last = stepCount(metadata) - 1;
    this.player = new Player('words', {
      position: () => selection.get().token - metadata.promptTokens,
      first: () => 0,
      last: () => last,
      show: step => {
        actions.chooseStep(step);
      },
    });
    this.slider.max = String(Math.max(0, last));
    this.slider.addEventListener('input', () => {
      this.player.stop();
      actions.chooseStep(Number(this.slider.value));
    });
    this.element = element(
      'div',
      { class: 'fate-legend', 'data-testid': 'cross-legend', role: 'group', 'aria-label': 'Word and scale' },
      element('div', { class: 'stage-row' }, this.player.element, this.slider, this.step),
      element('div', { class: 'detail-row' }, this.what, this.scale),
    );
  }

  draw(scene: Scene): void {
    const { cross, metadata, focus, selection, theme } = scene;
    const step = focus.token - metadata.promptTokens;
    const token = metadata.tokens[focus.token];
    const name = step < 0 ? 'prompt' : `step ${step} of ${Number(this.slider.max)}`;
    if (Number(this.slider.value) !== Math.max(0, step)) this.slider.value = String(Math.max(0, step));
    this.slider.setAttribute('aria-valuetext', name);
    setText(this.step, `${name} · ${token ? quoted(token.text) : ''}`);
    setText(this.what, cross ? shownWords(scene) : 'no cross-attention in this trace');
    this.what.title = this.what.textContent;
    this.scale.hidden = !cross?.shown;
    if (!cross?.shown) return;
    setText(this.most, `${tick(cross.maximum)} probability`);
    this.ramp.setAttribute('aria-label', `Colour scale from 0 to ${tick(cross.maximum)} probability`);
    const key = `${selection.opacity} ${theme.scheme} ${canvasRatio()}`;
    if (key === this.drawn) return;
    this.drawn = key;
    drawRamp(this.ramp, 64, { ...theme, colours: theme.detailColours }, selection.opacity);
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
