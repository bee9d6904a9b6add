import { select, zoom as d3Zoom, zoomIdentity, type D3ZoomEvent, type ZoomBehavior } from 'd3';
import { tableColumn, type ChartTables, type TableData } from '../charts.ts';
import { canvasRatio, element, fitCanvas, setText } from '../element.ts';
import { isPadding, patchAt, samePlace, type ImageGeometry } from '../image/geometry.ts';
import { framePatch, HeatLayer } from '../image/picture-canvas.ts';
import { measureHover } from '../measures.ts';
import type { PanelContext } from '../panel-context.ts';
import { noZoom, type Store, type Zoom } from '../selection.ts';
import { markOne, paintFates, paintKeptByOne, paintPicture, signShare, type Ground } from './paint-place.ts';
import type { PairScene, Side } from './pair-scene.ts';
import { placeCaption, placeLabel, placeReadout, placeTable } from './place-words.ts';

const largestZoom = 24;

/** What stands in one of the three places: a run, or the difference of the two. */
export type Shown = Side | 'difference';
export type PlaceName = 'a' | 'b' | 'difference';

/** One of the three images, which are hovered, locked and zoomed together. */
export class PatchPlace {
  readonly element: HTMLElement;
  private readonly base = element('canvas', { 'aria-hidden': 'true' });
  private readonly overlay = element('canvas', { role: 'img' });
  private readonly marks = element('canvas', { 'aria-hidden': 'true' });
  private readonly active = element('span', { class: 'hidden-text' });
  private readonly grid = element('div', {
    class: 'patch-grid',
    role: 'application',
    'aria-roledescription': 'patch grid',
    tabindex: 0,
  });
  private readonly refused = element('p', { class: 'compare-refusal', hidden: '' });
  private readonly caption = element('div', { class: 'compare-caption small' });
  private readonly readout = element('p', { class: 'compare-readout small' });
  private readonly heat = new HeatLayer();
  private readonly zooming: ZoomBehavior<HTMLDivElement, unknown>;
  private scene: PairScene | null = null;
  private shown: Shown = 'difference';
  private painted = '';
  private size = '';

  constructor(
    name: PlaceName,
    private readonly context: PanelContext,
    /** Of all three, in pixels of the image region. */
    private readonly zoom: Store<Zoom>,
    tables: ChartTables,
  ) {
    this.grid.dataset['testid'] = `compare-grid-${name}`;
    this.base.dataset['testid'] = `compare-base-${name}`;
    this.overlay.dataset['testid'] = `compare-overlay-${name}`;
    this.marks.dataset['testid'] = `compare-marks-${name}`;
    this.caption.dataset['testid'] = `compare-caption-${name}`;
    this.readout.dataset['testid'] = `compare-readout-${name}`;
    this.refused.dataset['testid'] = `compare-refusal-${name}`;
    this.active.id = `compare-active-${name}`;
    this.grid.append(this.base, this.overlay, this.marks, this.active, this.refused);
    this.element = element(
      'figure',
      { class: 'compare-place', 'data-place': name },
      this.grid,
      element('figcaption', {}, this.caption, this.readout),
    );
    this.zooming = d3Zoom<HTMLDivElement, unknown>()
      .filter((event: Event) => (event instanceof WheelEvent ? event.ctrlKey : (event as MouseEvent).button === 0))
      .on('zoom', ({ transform }: D3ZoomEvent<HTMLDivElement, unknown>) => {
        this.zoom.set({ k: transform.k, x: transform.x, y: transform.y });
      });
    this.listen();
    tables.add(this.element, this.grid, () => this.table());
  }

  draw(scene: PairScene, shown: Shown): void {
    this.scene = scene;
    this.shown = shown;
    const geometry = this.geometry();
    this.resize(geometry);
    const { k, x, y } = this.zoom.get();
    const node = this.grid as HTMLDivElement & { __zoom?: Zoom };
    // Another place was zoomed.
    if (node.__zoom && (node.__zoom.k !== k || node.__zoom.x !== x || node.__zoom.y !== y))
      this.zooming.transform(select(this.grid), zoomIdentity.translate(x, y).scale(k));
    const refusal = shown === 'difference' ? scene.refusal : undefined;
    this.refused.hidden = refusal === undefined;
    setText(this.refused, refusal ?? '');
    const key = this.key();
    if (key !== this.painted) {
      this.painted = key;
      this.paint(geometry);
    }
    this.overlay.setAttribute('aria-label', placeLabel(scene, shown));
    this.grid.setAttribute('aria-label', placeLabel(scene, shown));
    this.drawMarks(geometry);
    placeCaption(this.caption, scene, shown);
    const words = placeReadout(scene, shown, this.patch());
    setText(this.readout, words);
    this.readout.title = words;
  }

  zoomBy(factor: number): void {
    this.zooming.scaleBy(select(this.grid), factor);
  }

  private geometry(): ImageGeometry {
    return this.shown === 'difference' ? this.scene!.a.geometry : this.shown.geometry;
  }

  /** The patch in focus, in the grid of this place. */
  private patch(): number | null {
    const { patch, base } = this.scene!;
    return patch === null ? null : samePlace(patch, base.geometry, this.geometry());
  }

  private key(): string {
    const scene = this.scene!;
    const { a, b, shown, maximum, base } = scene;
    const { focus, selection, theme } = base;
    const { k, x, y } = this.zoom.get();
    const sides = this.shown === 'difference' ? [a, b] : [this.shown];
    return JSON.stringify([
      this.shown === 'difference',
      sides.map(({ run, state, token, map }) => [run.address, run.picture !== null, state?.stage, token, map !== null]),
      ...[
        shown,
        maximum,
        focus.tower,
        focus.layers,
        focus.head,
        focus.visionLayer,
        selection.opacity,
        selection.smooth,
      ],
      ...[k, x, y, this.size, theme.scheme, theme.highContrast, canvasRatio()],
    ]);
  }

  private paint(geometry: ImageGeometry): void {
    const scene = this.scene!;
    const { shown } = this;
    const { theme, selection } = scene.base;
    const zoom = this.zoom.get();
    const { picture } = (shown === 'difference' ? scene.a : shown).run;
    const ground: Ground = {
      context: fitCanvas(this.base, geometry.width, geometry.height),
      geometry,
      zoom,
      theme,
    };
    fitCanvas(this.overlay, geometry.width, geometry.height).clearRect(0, 0, geometry.width, geometry.height);
    if (scene.shown === 'tokens') {
      if (shown !== 'difference') {
        paintPicture(ground, picture, 'none');
        if (shown.fates && shown.state) paintFates(ground, shown.fates, shown.state);
      } else if (scene.a.state && scene.b.state && !scene.refusal)
        paintKeptByOne(ground, picture, scene.a.state.kept, scene.b.state.kept);
      else paintPicture(ground, null, 'none');
      return;
    }
    paintPicture(ground, shown === 'difference' && scene.refusal ? null : picture, 'grayscale(0.6)');
    const map = shown === 'difference' ? scene.difference : shown.map;
    if (!map) return;
    const { opacity, smooth } = selection;
    this.heat.paint(map.values, geometry, { maximum: scene.maximum, opacity, smooth }, theme);
    const context = this.heat.draw(this.overlay, geometry, zoom, smooth);
    if (shown !== 'difference') return;
    const [a, b] = [scene.a.map!.values, scene.b.map!.values];
    const large = Array.from(map.values.keys()).filter(
      patch => map.values[patch]! >= signShare * scene.maximum && map.values[patch]! > 0,
    );
    markOne(
      { ...ground, context },
      large.filter(patch => a[patch]! > b[patch]!),
      'A',
      false,
    );
    markOne(
      { ...ground, context },
      large.filter(patch => a[patch]! < b[patch]!),
      'B',
      false,
    );
  }

  private drawMarks(geometry: ImageGeometry): void {
    const { selection, theme } = this.scene!.base;
    const context = fitCanvas(this.marks, geometry.width, geometry.height);
    context.clearRect(0, 0, geometry.width, geometry.height);
    const patch = this.patch();
    if (patch === null) {
      this.grid.removeAttribute('aria-activedescendant');
      return;
    }
    framePatch(context, patch, geometry, this.zoom.get(), theme, selection.patch !== null);
    setText(this.active, placeReadout(this.scene!, this.shown, patch));
    this.grid.setAttribute('aria-activedescendant', this.active.id);
  }

  private resize(geometry: ImageGeometry): void {
    const size = `${geometry.width} ${geometry.height}`;
    if (size === this.size) return;
    const first = this.size === '';
    this.size = size;
    const { width, height } = geometry;
    this.grid.style.width = `${width}px`;
    this.grid.style.height = `${height}px`;
    this.element.style.width = `${width}px`;
    const extent: [[number, number], [number, number]] = [
      [0, 0],
      [width, height],
    ];
    this.zooming.extent(extent).scaleExtent([1, largestZoom]).translateExtent(extent);
    if (first) select(this.grid).call(this.zooming).on('dblclick.zoom', null);
    else this.zoom.set(noZoom);
  }

  private listen(): void {
    const { hover, actions } = this.context;
    const pointed = (event: MouseEvent): number | undefined => {
      if (!this.scene) return undefined;
      const { k, x, y } = this.zoom.get();
      const box = this.grid.getBoundingClientRect();
      return patchAt(this.geometry(), (event.clientX - box.left - x) / k, (event.clientY - box.top - y) / k);
    };
    this.grid.addEventListener('pointermove', event => {
      measureHover(() => {
        hover.set({ patch: this.toOwn(pointed(event)) ?? null });
      });
    });
    this.grid.addEventListener('pointerleave', () => {
      hover.set({ patch: null });
    });
    this.grid.addEventListener('click', event => {
      const patch = pointed(event);
      const own = this.toOwn(patch);
      if (patch !== undefined && own !== undefined && !isPadding(this.geometry(), patch)) actions.togglePatch(own);
    });
    this.grid.addEventListener('keydown', event => {
      if (event.ctrlKey || event.metaKey || event.altKey || !this.press(event.key, event.shiftKey ? 3 : 1)) return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  private toOwn(patch: number | undefined): number | undefined {
    return patch === undefined ? undefined : samePlace(patch, this.geometry(), this.scene!.base.geometry);
  }

  /** Arrows move from patch to patch. @returns whether the key meant something */
  private press(key: string, step: number): boolean {
    if (!this.scene) return false;
    const { columns, rows } = this.geometry();
    const { selection, hover, actions } = this.context;
    const patch = this.patch() ?? 0;
    let [row, column] = [Math.floor(patch / columns), patch % columns];
    if (key === 'ArrowLeft') column = Math.max(0, column - step);
    else if (key === 'ArrowRight') column = Math.min(columns - 1, column + step);
    else if (key === 'ArrowUp') row = Math.max(0, row - step);
    else if (key === 'ArrowDown') row = Math.min(rows - 1, row + step);
    else if (key === 'Enter') {
      if (!isPadding(this.geometry(), patch)) actions.togglePatch(this.toOwn(patch)!);
      return true;
    } else return false;
    const next = this.toOwn(row * columns + column)!;
    if (selection.get().patch === null) hover.set({ patch: next });
    else selection.set({ patch: next });
    return true;
  }

  private table(): TableData {
    return this.scene
      ? placeTable(this.scene, this.shown)
      : { caption: 'Nothing is compared yet', columns: [tableColumn('', false)], rows: [] };
  }
}
