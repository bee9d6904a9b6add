import { drawRamp } from '../colour/ramp.ts';
import { canvasRatio, element, setText } from '../element.ts';
import { count, share, tick } from '../format.ts';
import { quoted } from '../attention/rows.ts';
import type { ShownSelection } from '../high-resolution/shown-selection.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import { Player } from '../player.ts';
import type { Scene } from '../scene.ts';
import { drawSegments, type Segments } from '../segments.ts';
import { stepCount } from '../../trace/high-resolution.ts';

/** Which step is shown, and what the signs on the image mean. */
export class StepLegend implements Region {
  readonly element: HTMLElement;
  private readonly player: Player;
  private readonly slider = element('input', {
    type: 'range',
    min: 0,
    step: 1,
    'aria-label': 'Step',
    'data-testid': 'step-slider',
  });
  private readonly step = element('span', { class: 'stage-name', 'data-testid': 'step-name' });
  private readonly selected = element('span', { 'data-testid': 'selected-words' });
  private readonly ramp = element('canvas', { role: 'img', 'data-testid': 'detail-ramp' });
  private readonly most = element('span', { class: 'dim' });
  private readonly scale: HTMLElement;
  private readonly choice: Segments<Scene['selection']['detail']>;
  private drawn = '';

  constructor(context: PanelContext) {
    const { actions, metadata, selection } = context;
    const last = stepCount(metadata) - 1;
    this.player = new Player('steps', {
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
    this.choice = drawSegments(
      'detail',
      'Shown on the image',
      [
        {
          value: 'selected',
          text: 'Selected',
          words: 'The part of the picture whose high-resolution tokens the layer reads',
        },
        { value: 'read', text: 'Read', words: 'Where the attention of the layer went among these tokens' },
      ],
      detail => {
        selection.set({ detail });
      },
    );
    this.scale = element('span', { class: 'detail-scale' }, '0', this.ramp, this.most);
    const entry = element('span', { class: 'fate-entry' }, element('i', { class: 'sign hr' }), this.selected);
    this.element = element(
      'div',
      { class: 'fate-legend', 'data-testid': 'step-legend', role: 'group', 'aria-label': 'Step and selection' },
      element('div', { class: 'stage-row' }, this.player.element, this.slider, this.step),
      element('div', { class: 'detail-row' }, entry, this.scale, this.choice.element),
    );
  }

  draw(scene: Scene): void {
    const { detail, metadata, selection, theme } = scene;
    const step = detail?.step ?? 0;
    const token = metadata.tokens[metadata.promptTokens + step];
    const name = `step ${step} of ${Number(this.slider.max)} · ${token ? quoted(token.text) : ''}`;
    if (Number(this.slider.value) !== step) this.slider.value = String(step);
    this.slider.setAttribute('aria-valuetext', name);
    setText(this.step, name);
    this.choice.show(selection.detail);
    const shown = detail?.shown ?? null;
    const reads = selection.detail === 'read' && shown !== null && shown.read !== null;
    setText(this.selected, shown && detail ? selectedWords(shown, detail.run.tokens, reads) : 'nothing selected');
    this.scale.hidden = !reads;
    if (!reads) return;
    setText(this.most, `${tick(shown.largest)} probability`);
    this.ramp.setAttribute('aria-label', `Colour scale from 0 to ${tick(shown.largest)} probability`);
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

function selectedWords({ cellCount, tokenCount }: ShownSelection, all: number, short: boolean): string {
  const cells = `${count(cellCount)} cells`;
  return short ? cells : `${cells} = ${count(tokenCount)} HR tokens, ${share(tokenCount / all)}`;
}
