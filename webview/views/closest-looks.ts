import { tableColumn, type TableData } from '../charts.ts';
import { closestRegions, type ClosestRegion } from '../cross-attention/closest-regions.ts';
import { headWords } from '../cross-attention/cross-overlay.ts';
import { notReading, placeWords } from '../cross-attention/cross-scene.ts';
import { canvasRatio, element, fitCanvas, setText } from '../element.ts';
import { probability, share } from '../format.ts';
import type { PanelContext } from '../panel-context.ts';
import type { Scene } from '../scene.ts';

const looks = 6;
/** Side of a window in tokens: three patches of the low-resolution image at three tiles. */
const side = 9;
const largest = 128;
const gap = 16;

/** The parts of the picture that the shown word read most, with their true pixels. */
export class ClosestLooks {
  readonly element: HTMLElement;
  readonly body = element('div', {
    class: 'closest-looks',
    role: 'group',
    tabindex: 0,
    'data-testid': 'closest-looks',
  });
  private readonly note = element('small', { 'data-testid': 'closest-note' });
  private readonly figures;
  private readonly none = element('p', { class: 'small', 'data-testid': 'closest-none' });
  private regions: readonly ClosestRegion[] = [];
  private drawn = '';

  constructor(private readonly context: PanelContext) {
    this.figures = Array.from({ length: looks }, (_, index) => {
      const canvas = element('canvas', { role: 'img', 'data-testid': `closest-${index}` });
      const [title, words] = [element('b', {}), element('span', { class: 'dim' })];
      return { canvas, title, words, figure: element('figure', {}, canvas, element('figcaption', {}, title, words)) };
    });
    this.body.append(this.none, ...this.figures.map(({ figure }) => figure));
    this.element = element(
      'div',
      { class: 'closest-chart' },
      element(
        'div',
        { class: 'chart-title' },
        element('h2', {}, 'Where the word looked in the large image'),
        this.note,
      ),
      this.body,
    );
  }

  draw(scene: Scene): void {
    const { cross, layout, theme, words, focus } = scene;
    const picture = this.context.picture.drawable;
    const key = `${cross?.key} ${layout.canvasWidth} ${picture !== null} ${theme.scheme} ${theme.highContrast} ${canvasRatio()}`;
    if (!cross || key === this.drawn) return;
    this.drawn = key;
    const { grid } = cross.run.described;
    this.regions = cross.shown ? closestRegions(cross.shown, grid, side, looks) : [];
    this.none.hidden = cross.shown !== null;
    setText(
      this.none,
      cross.shown ? '' : `${notReading(cross, focus.layers.last)} Choose a layer below, or with [ and ].`,
    );
    setText(
      this.note,
      cross.shown
        ? `${words.subject}, ${placeWords(cross)}, ${headWords(cross)}: share of what it read, ${side} × ${side} tokens each`
        : '',
    );
    this.body.setAttribute('aria-label', `Where the word looked in the large image: ${this.note.textContent}`);
    const size = Math.min(largest, Math.floor((layout.canvasWidth - (looks - 1) * gap) / looks));
    this.figures.forEach(({ figure, canvas, title, words: said }, index) => {
      const region = this.regions[index];
      figure.hidden = !region;
      figure.style.width = `${size}px`;
      if (!region) return;
      const context = fitCanvas(canvas, size, size);
      context.clearRect(0, 0, size, size);
      if (picture) cut(context, picture, scene, region, size);
      setText(title, share(region.share));
      setText(said, `row ${region.row}, column ${region.column}`);
      canvas.setAttribute('aria-label', `${title.textContent} of the attention, ${said.textContent}`);
    });
  }

  table(): TableData {
    return {
      caption: `Parts of the large image that were read most: ${this.note.textContent}`,
      columns: ['rank', 'row', 'column', 'rows', 'columns', 'attention'].map(title => tableColumn(title)),
      rows: this.regions.map(({ row, column, rows, columns, share: on }, rank) => [
        ...[rank + 1, row, column, rows, columns].map(String),
        probability(on),
      ]),
    };
  }
}

/** The part of the picture under a window; pixels are squares where they are enlarged much. */
function cut(
  context: CanvasRenderingContext2D,
  picture: CanvasImageSource,
  { metadata }: Scene,
  { row, column, rows, columns }: ClosestRegion,
  size: number,
): void {
  const { image, crossAttention } = metadata;
  const { crop, grid } = crossAttention!;
  const shrink = image.display.width / image.width;
  const [wide, tall] = [(crop.width / grid.columns) * shrink, (crop.height / grid.rows) * shrink];
  context.imageSmoothingEnabled = size / (columns * wide) < 3;
  context.imageSmoothingQuality = 'high';
  const [left, top] = [crop.x * shrink + column * wide, crop.y * shrink + row * tall];
  context.drawImage(picture, left, top, columns * wide, rows * tall, 0, 0, size, size);
}
