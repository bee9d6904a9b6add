import { select, zoom as d3Zoom, zoomIdentity, type D3ZoomEvent, type ZoomBehavior } from 'd3';
import type { ChartTables } from '../charts.ts';
import { element, fitCanvas, setText } from '../element.ts';
import type { ImageOverlay } from '../faces.ts';
import { share } from '../format.ts';
import { isPadding, patchAt, type ImageGeometry } from '../image/geometry.ts';
import { drawPicture, framePatch } from '../image/picture-canvas.ts';
import { measureHover } from '../measures.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import type { Scene } from '../scene.ts';
import { noZoom, type Zoom } from '../selection.ts';

const largestZoom = 24;

/** The image under what the view draws over it: three canvases, so that a hover redraws only the marks. */
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
  private readonly zooming: ZoomBehavior<HTMLDivElement, unknown>;
  private pictureKey = '';
  private overlayKey = '';
  private scene: Scene | null = null;

  constructor(
    private readonly context: PanelContext,
    tables: ChartTables,
    private readonly overlayOf: (view: string) => ImageOverlay,
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
    tables.add(
      this.element,
      this.grid,
      () => this.overlayOf(context.selection.get().view).table(this.scene),
      () => this.overlayOf(context.selection.get().view).figure,
    );
  }

  draw(scene: Scene): void {
    const { geometry, selection, theme } = scene;
    const overlay = this.overlayOf(selection.view);
    const picture = this.context.picture.drawable;
    const before = this.scene;
    this.scene = scene;
    if (before?.geometry !== geometry) this.resize(geometry, selection.zoom, before === null);
    const zoomKey = `${selection.zoom.k} ${selection.zoom.x} ${selection.zoom.y} ${geometry.width} ${theme.scheme} ${theme.highContrast}`;
    const pictureKey = `${zoomKey} ${picture !== null} ${overlay.colourful}`;
    if (this.pictureKey !== pictureKey) {
      this.pictureKey = pictureKey;
      drawPicture(this.imageCanvas, picture, geometry, selection.zoom, theme, overlay.colourful);
    }
    const overlayKey = `${selection.view} ${zoomKey} ${overlay.key(scene)}`;
    if (this.overlayKey !== overlayKey) {
      this.overlayKey = overlayKey;
      overlay.draw(this.overlayCanvas, scene);
    }
    // The same heat may belong to another token: the last of the prompt predicts the first of the answer.
    this.overlayCanvas.setAttribute('aria-label', overlay.describe(scene));
    this.drawMarks(scene, overlay);
  }

  zoomBy(factor: number): void {
    this.zooming.scaleBy(select(this.grid), factor);
  }

  resetZoom(): void {
    this.zooming.transform(select(this.grid), zoomIdentity);
  }

  private drawMarks(scene: Scene, overlay: ImageOverlay): void {
    const { geometry, selection, focus, theme } = scene;
    const context = fitCanvas(this.marksCanvas, geometry.width, geometry.height);
    context.clearRect(0, 0, geometry.width, geometry.height);
    overlay.mark(context, scene);
    const patch = focus.patch ?? overlay.extreme(scene);
    if (patch === null) {
      this.grid.removeAttribute('aria-activedescendant');
      return;
    }
    framePatch(context, patch, geometry, selection.zoom, theme, selection.patch !== null && selection.patch === patch);
    setText(this.active, overlay.describePatch(scene, patch));
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
    const extreme = this.overlayOf(selection.get().view).extreme(this.scene);
    const patch = selection.get().patch ?? hover.get().patch ?? extreme ?? 0;
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
}
