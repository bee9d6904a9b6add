import { tableColumn, type TableData } from '../charts.ts';
import { mapSize, tableIndex } from '../colour/colour-map.ts';
import { canvasRatio, element, fitCanvas, setText } from '../element.ts';
import { count, probability, share } from '../format.ts';
import { MaskedPicture, TokenHeat } from '../high-resolution/masked-picture.ts';
import { detailPlace } from '../high-resolution/places.ts';
import { cutOf, notReading, type ShownSelection } from '../high-resolution/shown-selection.ts';
import type { PanelContext } from '../panel-context.ts';
import type { DetailScene, Scene } from '../scene.ts';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** One stage on the way from attention to high-resolution tokens. */
interface Stage {
  readonly id: string;
  readonly title: string;
  readonly words: string;
  /** For the table: smallest and largest value, how many are selected. */
  readonly numbers: readonly [string, string, string];
}

interface Frame {
  readonly figure: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  readonly title: HTMLElement;
  readonly words: HTMLElement;
}

const gap = 20;
const largest = 168;
/** What a narrow window leaves, as in the style sheet. */
const narrowRoom = 432;
const stages = ['attention', 'normalised', 'binarised', 'cells', 'mask', 'read'] as const;

/** The selection that the chosen layer reads at the shown step, picture by picture. */
export class SelectionPictures {
  readonly element: HTMLElement;
  readonly body = element('div', {
    class: 'selection-pictures',
    role: 'group',
    tabindex: 0,
    'data-testid': 'selection-pictures',
  });
  private readonly where = element('small', { 'data-testid': 'selection-where' });
  private readonly frames: readonly Frame[];
  private readonly none = element('p', { class: 'small', 'data-testid': 'selection-none' });
  private readonly masked = new MaskedPicture();
  private readonly heat = new TokenHeat();
  private shown: readonly Stage[] = [];
  private drawn = '';

  constructor(private readonly context: PanelContext) {
    this.frames = stages.map(id => {
      const canvas = element('canvas', { role: 'img', 'data-testid': `selection-${id}` });
      const title = element('b', {});
      const words = element('span', { class: 'dim' });
      const figure = element('figure', { 'data-stage': id }, canvas, element('figcaption', {}, title, words));
      return { figure, canvas, title, words };
    });
    this.body.append(this.none, ...this.frames.map(({ figure }) => figure));
    this.element = element(
      'div',
      { class: 'pictures-chart' },
      element(
        'div',
        { class: 'chart-title' },
        element('h2', {}, 'From attention to high-resolution tokens'),
        this.where,
      ),
      this.body,
    );
  }

  draw(scene: Scene): void {
    const { detail, layout, theme } = scene;
    const drawable = this.context.picture.drawable !== null;
    const key = `${detail?.step} ${detail?.layer} ${layout.canvasWidth} ${theme.scheme} ${theme.highContrast} ${drawable} ${scene.geometry.width} ${canvasRatio()}`;
    if (key === this.drawn) return;
    this.drawn = key;
    const shown = detail?.shown;
    this.none.hidden = Boolean(shown);
    for (const { figure } of this.frames) figure.hidden = !shown;
    if (!detail) {
      setText(this.where, '');
      setText(this.none, 'This trace holds no selection of high-resolution tokens.');
      return;
    }
    if (!shown) {
      setText(this.where, `step ${detail.step}, layer D${detail.layer}`);
      setText(this.none, `${notReading(detail)} Choose a layer on the axis below, or with the keys [ and ].`);
      this.shown = [];
      return;
    }
    setText(this.where, `step ${detail.step}: layer D${shown.selector} selects, layer D${detail.layer} reads`);
    this.body.setAttribute('aria-label', `From attention to high-resolution tokens, ${this.where.textContent}`);
    this.shown = describe(scene, detail, shown);
    const size = this.sizeFor(scene);
    this.shown.forEach(({ title, words }, i) => {
      const { figure, canvas, title: heading, words: said } = this.frames[i]!;
      figure.style.width = `${size.width}px`;
      setText(heading, `${i + 1} ${title}`);
      setText(said, words);
      figure.title = `${title}: ${words}`;
      canvas.setAttribute('aria-label', `${title}: ${words}`);
    });
    this.paint(scene, detail, shown, size);
  }

  table(): TableData {
    return {
      caption: `From attention to high-resolution tokens, ${this.where.textContent}`,
      columns: [
        tableColumn('picture', false),
        ...['smallest', 'largest', 'selected'].map(title => tableColumn(title)),
        tableColumn('in words', false),
      ],
      rows: this.shown.map(({ title, numbers, words }) => [title, ...numbers, words]),
    };
  }

  /** As many in a row as are large enough to be read. */
  private sizeFor({ layout, geometry }: Scene): Size {
    const room = layout.mode === 'narrow' ? Math.min(narrowRoom, layout.canvasWidth) : layout.canvasWidth;
    const inRow = room >= 6 * (100 + gap) ? 6 : room >= 3 * (100 + gap) ? 3 : 2;
    const width = Math.min(largest, Math.floor((room - (inRow - 1) * gap) / inRow));
    return { width, height: Math.round((width * geometry.rows) / geometry.columns) };
  }

  private paint(scene: Scene, detail: DetailScene, shown: ShownSelection, size: Size): void {
    const { geometry, metadata, theme } = scene;
    const contexts = this.frames.map(({ canvas }) => {
      const context = fitCanvas(canvas, size.width, size.height);
      context.clearRect(0, 0, size.width, size.height);
      return context;
    });
    const grid = metadata.visual.grid;
    const whole = { rows: grid.rows, columns: grid.columns };
    const [attention, normalised, binarised, cells, mask, read] = contexts as [
      CanvasRenderingContext2D,
      CanvasRenderingContext2D,
      CanvasRenderingContext2D,
      CanvasRenderingContext2D,
      CanvasRenderingContext2D,
      CanvasRenderingContext2D,
    ];
    const maximum = shown.range?.[1] ?? shown.attention?.reduce((most, value) => Math.max(most, value), 0) ?? 0;
    if (shown.attention) paintMap(attention, shown.attention, whole, size, maximum, theme.colours);
    if (shown.normalised) paintMap(normalised, shown.normalised, whole, size, 1, theme.colours);
    const [on, off] = [theme.colour('--vscode-foreground'), theme.colour('--fovea-off')];
    if (shown.binarised) paintFlags(binarised, shown.binarised, whole, size, on, off);
    paintFlags(cells, shown.cells, detail.run.described.cells, size, theme.colour('--fovea-mass-hr'), off);
    const shrink = size.width / geometry.width;
    const shrunk = (place: typeof geometry.picture): typeof geometry.picture => ({
      x: place.x * shrink,
      y: place.y * shrink,
      width: place.width * shrink,
      height: place.height * shrink,
    });
    const place = {
      picture: this.context.picture.drawable,
      whole: shrunk(geometry.picture),
      grid: shrunk(detailPlace(geometry, metadata.image, detail.run.described)),
      ...size,
      pixelated: false,
    };
    const key = `${place.picture !== null} ${size.width}`;
    this.masked.draw(mask, key, place, theme);
    this.masked.reveal(mask, place, detail.run.described.cells, shown.cells, theme, 1);
    read.fillStyle = `rgb(${theme.detailColours.subarray(0, 3).join(' ')})`;
    if (shown.read) {
      read.fillRect(0, 0, size.width, size.height);
      this.heat.draw(read, place.grid, detail.run.described.grid, shown.read, shown.mask, shown.largest, null, theme);
    }
  }
}

function describe({ metadata }: Scene, { run, layer }: DetailScene, shown: ShownSelection): readonly Stage[] {
  const { described } = run;
  const { rule, source, cells, grid, pooling, margin } = described;
  const { heads } = metadata.model.decoder;
  const patches = metadata.visual.grid.rows * metadata.visual.grid.columns;
  const taken = shown.binarised?.reduce((sum, one) => sum + one, 0) ?? 0;
  const [least, most] = (shown.range ?? []).map(probability);
  const cut = rule.kind === 'count' ? cutOf(shown) : thresholdOf(shown, rule.threshold);
  const edge = margin.rows + margin.columns > 0 ? `, ${margin.rows || margin.columns} at each edge set to 0` : '';
  const cutWords = cut === undefined ? '' : `, cut at ${probability(cut)}`;
  const byAttention = source === 'attention' || source === 'frozen';
  const none = ['', '', ''] as const;
  return [
    {
      id: 'attention',
      title: `Attention, D${shown.selector}`,
      words: least === undefined ? 'not recorded' : `sum of ${heads} heads, ${least} to ${most ?? ''}${edge}`,
      numbers: [least ?? '', most ?? '', ''],
    },
    {
      id: 'normalised',
      title: 'Normalised',
      words: least === undefined ? '0 to 1' : `${least} becomes 0, ${most ?? ''} becomes 1`,
      numbers: ['0', '1', ''],
    },
    {
      id: 'binarised',
      title: rule.kind === 'count' ? `Strongest ${count(rule.count)}` : `Above ${rule.threshold} of 255`,
      words: byAttention
        ? `${count(taken)} of ${count(patches)} patches${cutWords}`
        : `${count(taken)} of ${count(patches)} patches; not by attention but ${source}`,
      numbers: [cut === undefined ? '' : probability(cut), '', count(taken)],
    },
    {
      id: 'cells',
      title: pooling === 'none' ? 'Cells' : `Pooled, ${cells.rows} × ${cells.columns}`,
      words: `${count(shown.cellCount)} of ${count(run.cells)}, ${pooling === 'none' ? 'a cell for each patch' : 'largest of a cell’s patches'}`,
      numbers: ['', '', count(shown.cellCount)],
    },
    {
      id: 'mask',
      title: `Tokens, ${grid.rows} × ${grid.columns}`,
      words: `${count(shown.tokenCount)} of ${count(run.tokens)}, ${share(shown.tokenCount / run.tokens)} of the large image`,
      numbers: ['', '', count(shown.tokenCount)],
    },
    {
      id: 'read',
      title: `What D${layer} reads`,
      words: shown.read
        ? `${share(shown.share ?? 0)} of its attention, at most ${probability(shown.largest)} to one token`
        : 'not recorded',
      numbers: shown.read ? ['0', probability(shown.largest), share(shown.share ?? 0)] : none,
    },
  ];
}

/** The attention from which on the rule takes patches. */
function thresholdOf({ range }: ShownSelection, threshold: number): number | undefined {
  return range && range[0] + (threshold / 255) * (range[1] - range[0]);
}

interface GridSize {
  readonly rows: number;
  readonly columns: number;
}

function paintMap(
  context: CanvasRenderingContext2D,
  values: Float32Array,
  { rows, columns }: GridSize,
  size: Size,
  maximum: number,
  colours: Uint8ClampedArray,
): void {
  const cells = document.createElement('canvas');
  [cells.width, cells.height] = [columns, rows];
  const own = cells.getContext('2d');
  if (!own) return;
  const image = own.createImageData(columns, rows);
  for (let cell = 0; cell < values.length; cell++) {
    const index = Math.min(mapSize - 1, tableIndex(values[cell]!, maximum));
    image.data.set(colours.subarray(index * 3, index * 3 + 3), cell * 4);
    image.data[cell * 4 + 3] = 255;
  }
  own.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(cells, 0, 0, size.width, size.height);
}

function paintFlags(
  context: CanvasRenderingContext2D,
  flags: ArrayLike<number>,
  { rows, columns }: GridSize,
  size: Size,
  on: string,
  off: string,
): void {
  context.fillStyle = off;
  context.fillRect(0, 0, size.width, size.height);
  context.fillStyle = on;
  for (let cell = 0; cell < flags.length; cell++) {
    if (!flags[cell]) continue;
    const [row, column] = [Math.floor(cell / columns), cell % columns];
    const [left, top] = [Math.round((column * size.width) / columns), Math.round((row * size.height) / rows)];
    const right = Math.round(((column + 1) * size.width) / columns);
    const bottom = Math.round(((row + 1) * size.height) / rows);
    context.fillRect(left, top, Math.max(1, right - left - 1), Math.max(1, bottom - top - 1));
  }
}
