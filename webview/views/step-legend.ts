import { element, setText } from '../element.ts';
import { count, share } from '../format.ts';
import type { ShownSelection } from '../high-resolution/shown-selection.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import type { Scene } from '../scene.ts';
import { drawSegments, type Segments } from '../segments.ts';
import { DetailScale } from './detail-scale.ts';
import { StepPlayer } from './step-player.ts';

/** Which step is shown, and what the signs on the image mean. */
export class StepLegend implements Region {
  readonly element: HTMLElement;
  private readonly player: StepPlayer;
  private readonly selected = element('span', { 'data-testid': 'selected-words' });
  private readonly scale = new DetailScale('detail-ramp');
  private readonly choice: Segments<Scene['selection']['detail']>;

  constructor(context: PanelContext) {
    const { selection } = context;
    this.player = new StepPlayer(context, 'steps', { slider: 'step-slider', name: 'step-name' });
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
    const entry = element('span', { class: 'fate-entry' }, element('i', { class: 'sign hr' }), this.selected);
    this.element = element(
      'div',
      { class: 'fate-legend', 'data-testid': 'step-legend', role: 'group', 'aria-label': 'Step and selection' },
      this.player.element,
      element('div', { class: 'detail-row' }, entry, this.scale.element, this.choice.element),
    );
  }

  draw(scene: Scene): void {
    const { detail, selection } = scene;
    this.player.show(detail?.step ?? 0);
    this.choice.show(selection.detail);
    const shown = detail?.shown ?? null;
    const reads = selection.detail === 'read' && shown !== null && shown.read !== null;
    setText(this.selected, shown && detail ? selectedWords(shown, detail.run.tokens, reads) : 'nothing selected');
    this.scale.show(reads ? shown.largest : null, scene);
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
