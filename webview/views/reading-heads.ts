import { range } from 'd3';
import { tableColumn, type TableData } from '../charts.ts';
import { largestOf } from '../cross-attention/largest.ts';
import { canvasRatio, element, fitCanvas, setText } from '../element.ts';
import { cornerProbability, probability } from '../format.ts';
import { TokenHeat } from '../high-resolution/masked-picture.ts';
import type { PanelContext } from '../panel-context.ts';
import type { Scene } from '../scene.ts';

const largest = 108;
const gap = 10;

/** What each head read before the last of the chosen layers, large enough to be told apart. */
export class ReadingHeads {
  readonly element: HTMLElement;
  readonly body = element('div', {
    class: 'reading-heads',
    role: 'group',
    tabindex: 0,
    'data-testid': 'reading-heads',
  });
  private readonly note = element('small');
  private readonly title = element('h2');
  private readonly figures;
  private readonly heat = new TokenHeat();
  private maxima: readonly number[] = [];
  private drawn = '';

  constructor(context: PanelContext) {
    const { heads } = context.metadata.crossAttention!;
    this.figures = range(heads).map(head => {
      const canvas = element('canvas', { role: 'img' });
      const caption = element('figcaption', {});
      const figure = element('figure', { 'data-testid': 'reading-head', 'data-head': head }, canvas, caption);
      figure.addEventListener('click', () => {
        const { head: chosen } = context.selection.get();
        context.actions.chooseHead(chosen === head ? 'mean' : head);
      });
      return { figure, canvas, caption };
    });
    this.body.append(...this.figures.map(({ figure }) => figure));
    this.element = element(
      'div',
      { class: 'heads-chart' },
      element('div', { class: 'chart-title' }, this.title, this.note),
      this.body,
    );
  }

  draw(scene: Scene): void {
    const { cross, layout, theme, focus } = scene;
    const key = `${cross?.key} ${layout.canvasWidth} ${theme.scheme} ${theme.highContrast} ${canvasRatio()}`;
    if (!cross || key === this.drawn) return;
    this.drawn = key;
    const place = cross.places.at(-1);
    const layer = place === undefined ? focus.layers.last : cross.run.described.layers[place]!;
    setText(this.title, `Heads before D${layer}`);
    setText(this.note, 'each to its own maximum, in probability; a click shows one on the image');
    const room = Math.floor((layout.canvasWidth + gap) / this.figures.length) - gap;
    const size = Math.max(40, Math.min(largest, room));
    const { grid } = cross.run.described;
    this.maxima = this.figures.map(({ figure, canvas, caption }, head) => {
      const values = place === undefined ? null : cross.mapOf(place, head);
      const maximum = values ? largestOf(values) : 0;
      const height = Math.round((size * grid.rows) / grid.columns);
      const context = fitCanvas(canvas, size, height);
      context.clearRect(0, 0, size, height);
      const every = new Uint8Array(values?.length ?? 0).fill(1);
      const whole = { x: 0, y: 0, width: size, height };
      if (values) this.heat.draw(context, whole, grid, values, every, maximum, null, theme);
      figure.classList.toggle('chosen', cross.head === head);
      setText(caption, values ? `${head} · max ${cornerProbability(maximum)}` : String(head));
      canvas.setAttribute('aria-label', `Head ${head} before D${layer}, 0 to ${probability(maximum)}`);
      return maximum;
    });
    this.body.setAttribute('aria-label', `Heads before layer D${layer}`);
  }

  table(): TableData {
    return {
      caption: this.title.textContent,
      columns: [tableColumn('head'), tableColumn('maximum')],
      rows: this.maxima.map((maximum, head) => [String(head), probability(maximum)]),
    };
  }
}
