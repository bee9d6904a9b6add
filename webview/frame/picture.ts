import { select, zoom as d3Zoom, zoomIdentity, type D3ZoomEvent, type ZoomBehavior } from 'd3';
import { tableColumn, type ChartTables, type TableData } from '../charts.ts';
import { element, fitCanvas, setText } from '../element.ts';
import { count, probability, share } from '../format.ts';
import { isPadding, patchAt, type ImageGeometry } from '../image/geometry.ts';
import { drawPicture, framePatch, hatchPatches, HeatLayer } from '../image/picture-canvas.ts';
import { measureHover } from '../measures.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import type { Scene } from '../scene.ts';
import { noZoom, type Zoom } from '../selection.ts';

const largestZoom = 24;
const tableLength = 20;

/** The image with what was read of it: three canvases, so that a hover redraws only the marks. */
export class Picture implements Region {
  readonly element: HTMLElement;
  private readonly imageCanvas = element('canvas', { 'data-testid': 'image-canvas', 'aria-hidden': 'true' });
  private readonly overlayCanvas = element('canvas', { 'data-testid': 'overlay-canvas', role: 'img' });
  private readonly marksCanvas = element('canvas', { 'data-testid': 'marks-canvas', 'aria-hidden': 'true' });
  private readonly grid = element('div', {
    class: 'patch-grid',
    role: 'application',
    'aria-roledescription': 'patch grid',
    tabindex: 0,
    'data-testid': 'patch-grid',
  });
  private readonly active = element('span', { id: 'active-patch', class: 'hidden-text' });
  private readonly caption = element('figcaption', { class: 'small dim', 'data-testid': 'image-caption', hidden: '' });
  private readonly heat = new HeatLayer();
  private readonly zooming: ZoomBehavior<HTMLDivElement, unknown>;
  private picture: CanvasImageSource | null = null;
  private pictureKey = '';
  private heatKey = '';
  private overlayKey = '';
  private scene: Scene | null = null;

  constructor(
    private readonly context: PanelContext,
    tables: ChartTables,
  ) {
    this.grid.append(this.imageCanvas, this.overlayCanvas, this.marksCanvas, this.active);
    this.element = element('figure', { class: 'picture', 'aria-label': 'Image' }, this.grid, this.caption);
    this.zooming = d3Zoom<HTMLDivElement, unknown>()
      .filter((event: Event) => (event instanceof WheelEvent ? event.ctrlKey : (event as MouseEvent).button === 0))
      .on('zoom', ({ transform }: D3ZoomEvent<HTMLDivElement, unknown>) => {
        const { k, x, y } = transform;
        const now = context.selection.get().zoom;
        if (now.k !== k || now.x !== x || now.y !== y) context.selection.set({ zoom: { k, x, y } });
      });
    this.listen();
    tables.add(this.element, this.grid, () => this.table(), { title: 'Attention on the image', scale: 'overlay' });
  }

  /** The picture at full resolution, once it is decoded. */
  showPicture(picture: CanvasImageSource): void {
    this.picture = picture;
    this.pictureKey = '';
    if (this.scene) this.draw(this.scene);
  }

  draw(scene: Scene): void {
    const { geometry, selection, theme, image } = scene;
    const before = this.scene;
    this.scene = scene;
    if (before?.geometry !== geometry) this.resize(geometry, selection.zoom, before === null);
    const zoomKey = `${selection.zoom.k} ${selection.zoom.x} ${selection.zoom.y} ${geometry.width} ${theme.scheme} ${theme.highContrast}`;
    if (this.pictureKey !== zoomKey + String(this.picture !== null)) {
      this.pictureKey = zoomKey + String(this.picture !== null);
      drawPicture(this.imageCanvas, this.picture, geometry, selection.zoom, theme);
    }
    const heatKey = `${scene.heatKey} ${selection.opacity} ${selection.smooth} ${theme.scheme}`;
    if (heatKey !== this.heatKey) {
      this.heatKey = heatKey;
      const values = image?.values ?? new Float32Array(geometry.columns * geometry.rows);
      const { opacity, smooth } = selection;
      this.heat.paint(values, geometry, { maximum: scene.imageMaximum, opacity: image ? opacity : 0, smooth }, theme);
      this.overlayKey = '';
    }
    if (this.overlayKey !== zoomKey) {
      this.overlayKey = zoomKey;
      const drawing = this.heat.draw(this.overlayCanvas, geometry, selection.zoom, selection.smooth);
      const { outliers } = scene;
      if (selection.hideOutliers && outliers && typeof outliers !== 'string')
        hatchPatches(drawing, outliers.patches, geometry, selection.zoom, theme);
    }
    // The same heat may belong to another token: the last of the prompt predicts the first of the answer.
    this.overlayCanvas.setAttribute('aria-label', describe(scene));
    this.drawMarks(scene);
  }

  zoomBy(factor: number): void {
    this.zooming.scaleBy(select(this.grid), factor);
  }

  resetZoom(): void {
    this.zooming.transform(select(this.grid), zoomIdentity);
  }

  private drawMarks(scene: Scene): void {
    const { geometry, selection, focus, theme, image } = scene;
    const context = fitCanvas(this.marksCanvas, geometry.width, geometry.height);
    context.clearRect(0, 0, geometry.width, geometry.height);
    const patch = focus.patch ?? (image && image.maximum > 0 ? image.peak : null);
    if (patch === null) {
      this.grid.removeAttribute('aria-activedescendant');
      return;
    }
    framePatch(context, patch, geometry, selection.zoom, theme, selection.patch !== null && selection.patch === patch);
    const value = image?.values[patch] ?? 0;
    setText(
      this.active,
      `row ${Math.floor(patch / geometry.columns)}, column ${patch % geometry.columns}: ${probability(value)}`,
    );
    this.grid.setAttribute('aria-activedescendant', 'active-patch');
  }

  private resize(geometry: ImageGeometry, zoom: Zoom, first: boolean): void {
    const { width, height, picture, leastZoom, unseen, padded } = geometry;
    this.grid.style.width = `${width}px`;
    this.grid.style.height = `${height}px`;
    this.zooming
      .extent([
        [0, 0],
        [width, height],
      ])
      .scaleExtent([leastZoom, largestZoom])
      .translateExtent([
        [Math.min(0, picture.x), Math.min(0, picture.y)],
        [Math.max(width, picture.x + picture.width), Math.max(height, picture.y + picture.height)],
      ]);
    const selection = select(this.grid);
    if (first) selection.call(this.zooming).on('dblclick.zoom', null);
    const known = first ? zoom : noZoom;
    this.zooming.transform(selection, zoomIdentity.translate(known.x, known.y).scale(known.k));
    const words = [
      ...(unseen >= 0.001 ? [`cropped: ${share(unseen)} of the picture was not seen · zoom out to see it`] : []),
      ...(padded ? ['hatched: padding'] : []),
    ];
    this.caption.hidden = words.length === 0;
    setText(this.caption, words.join(' · '));
  }

  private listen(): void {
    const { hover, selection, actions } = this.context;
    const pointed = (event: MouseEvent): number | undefined => {
      if (!this.scene) return undefined;
      const { zoom } = selection.get();
      const box = this.grid.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      return patchAt(this.scene.geometry, (x - zoom.x) / zoom.k, (y - zoom.y) / zoom.k);
    };
    this.grid.addEventListener('pointermove', event => {
      measureHover(() => {
        hover.set({ patch: pointed(event) ?? null });
      });
    });
    this.grid.addEventListener('pointerleave', () => {
      hover.set({ patch: null });
    });
    this.grid.addEventListener('click', event => {
      const patch = pointed(event);
      if (patch !== undefined && this.scene && !isPadding(this.scene.geometry, patch)) actions.togglePatch(patch);
    });
    this.grid.addEventListener('keydown', event => {
      if (this.press(event)) {
        event.preventDefault();
        event.stopPropagation();
      }
    });
  }

  /** Arrows move from patch to patch, three at a time with Shift. @returns whether the key meant something */
  private press(event: KeyboardEvent): boolean {
    if (!this.scene || event.ctrlKey || event.metaKey || event.altKey) return false;
    const { columns, rows } = this.scene.geometry;
    const { selection, hover, actions } = this.context;
    const patch = selection.get().patch ?? hover.get().patch ?? this.scene.image?.peak ?? 0;
    const step = event.shiftKey ? 3 : 1;
    let [row, column] = [Math.floor(patch / columns), patch % columns];
    switch (event.key) {
      case 'ArrowLeft':
        column = Math.max(0, column - step);
        break;
      case 'ArrowRight':
        column = Math.min(columns - 1, column + step);
        break;
      case 'ArrowUp':
        row = Math.max(0, row - step);
        break;
      case 'ArrowDown':
        row = Math.min(rows - 1, row + step);
        break;
      case 'Enter':
        if (!isPadding(this.scene.geometry, patch)) actions.togglePatch(patch);
        return true;
      default:
        return false;
    }
    const next = row * columns + column;
    if (selection.get().patch === null) hover.set({ patch: next });
    else if (!isPadding(this.scene.geometry, next)) selection.set({ patch: next });
    return true;
  }

  private table(): TableData {
    const columns = ['rank', 'row', 'column', 'attention'].map(title => tableColumn(title));
    const scene = this.scene;
    if (!scene?.image) return { caption: 'No attention to the image', columns, rows: [] };
    const { values } = scene.image;
    const order = Array.from(values.keys()).sort((a, b) => values[b]! - values[a]!);
    const shown = order.slice(0, tableLength);
    const rest = order.slice(tableLength).reduce((sum, patch) => sum + values[patch]!, 0);
    const rows = shown.map((patch, rank) => [
      String(rank + 1),
      String(Math.floor(patch / scene.geometry.columns)),
      String(patch % scene.geometry.columns),
      probability(values[patch]!),
    ]);
    if (order.length > tableLength)
      rows.push([`other ${count(order.length - tableLength)}`, '', '', probability(rest)]);
    return { caption: describe(scene), columns, rows };
  }
}

/** What the overlay shows, its range and its extreme, in one sentence. */
export function describe({ words, image, geometry, shown }: Scene): string {
  if (!image)
    return shown.beforeImage
      ? `The ${words.subject} comes before the image and could not look at it`
      : `No attention to the image is recorded for this token`;
  const [row, column] = [Math.floor(image.peak / geometry.columns), image.peak % geometry.columns];
  return (
    `Attention of the ${words.subject}, ${words.layers}, ${words.heads}, ` +
    `0 to ${probability(image.maximum)}, peak at row ${row}, column ${column}`
  );
}
