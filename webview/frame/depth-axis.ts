import { select } from 'd3';
import { tableColumn, type ChartTables, type TableData } from '../charts.ts';
import { element, setText } from '../element.ts';
import type { LayerTile, LayerTiles } from '../faces.ts';
import { measureHover } from '../measures.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import type { Scene } from '../scene.ts';

interface Tile extends Omit<LayerTile, 'chosen'> {
  readonly left: number;
  readonly labelled: boolean;
}

const tileName = ({ tower, layer }: Pick<Tile, 'tower' | 'layer'>): string =>
  `${tower === 'vision' ? 'V' : 'D'}${layer}`;

/** One film strip for the whole pipeline: the vision tower, then the decoder. */
export class DepthAxis implements Region {
  readonly element: HTMLElement;
  private readonly strip = element('div', {
    class: 'tiles',
    role: 'slider',
    tabindex: 0,
    'aria-label': 'Layer',
    'aria-orientation': 'horizontal',
    'data-testid': 'depth-axis',
  });
  private readonly visionCaption = element('span', { class: 'axis-caption vision' });
  private readonly decoderCaption = element('span', { class: 'axis-caption decoder' });
  private readonly maximumCaption = element('span', { class: 'axis-caption maximum' });
  private readonly rule = element('span', { class: 'axis-rule' });
  private scene: Scene | null = null;
  private drawn = '';
  private dragged: number | null = null;

  constructor(
    private readonly context: PanelContext,
    tables: ChartTables,
    private readonly facesOf: (view: string) => LayerTiles,
  ) {
    this.strip.append(this.rule, this.visionCaption, this.decoderCaption, this.maximumCaption);
    this.element = element('section', { class: 'axis', 'aria-label': 'Depth' }, this.strip);
    this.listen();
    tables.add(
      this.element,
      this.strip,
      () => this.table(),
      () => facesOf(context.selection.get().view).figure,
    );
  }

  draw(scene: Scene): void {
    this.scene = scene;
    const tiles = this.tiles(scene);
    this.place(scene, tiles);
    const elements = select(this.strip)
      .selectAll<HTMLDivElement, Tile>('.axis-tile')
      .data(tiles, tileName)
      .join(enter => enter.append(tile => newTile(tile)));
    const { focus, metadata, selection } = scene;
    const face = this.facesOf(selection.view);
    const { rows, columns } = metadata.visual.grid;
    const tallest = Math.round((Math.max(...tiles.map(tile => tile.size)) * rows) / Math.max(rows, columns));
    this.strip.style.height = `${7 + tallest + 30 + 16}px`;
    elements.each(function (tile) {
      const chosen = isChosen(scene, tile);
      this.style.left = `${tile.left}px`;
      this.style.width = `${tile.size}px`;
      this.classList.toggle('chosen', chosen);
      const [canvas, label, note] = Array.from(this.children) as [HTMLCanvasElement, HTMLElement, HTMLElement];
      canvas.style.width = `${tile.size}px`;
      this.style.setProperty('--tile', `${tallest}px`);
      setText(label, tile.labelled || chosen ? tileName(tile) : '');
      setText(note, face.note(scene, { ...tile, chosen }));
    });
    const { columns: inSight } = scene.layout;
    const key = `${selection.view} ${face.key(scene)} ${scene.theme.scheme} ${scene.theme.highContrast} ${inSight.first} ${inSight.pitch}`;
    if (key !== this.drawn) {
      this.drawn = key;
      elements.each(function (tile) {
        const canvas = this.firstElementChild as HTMLCanvasElement;
        canvas.style.height = `${Math.round((tile.size * rows) / Math.max(rows, columns))}px`;
        face.paint(canvas, scene, { ...tile, chosen: false });
      });
    }
    const layers = metadata.model.vision.layers;
    this.strip.setAttribute('aria-valuemin', '0');
    this.strip.setAttribute('aria-valuemax', String(layers + metadata.model.decoder.layers - 1));
    this.strip.setAttribute(
      'aria-valuenow',
      String(focus.tower === 'vision' ? focus.visionLayer : layers + focus.layers.last),
    );
    this.strip.setAttribute('aria-valuetext', valueText(scene));
    if (scene.layout.mode === 'narrow' || scene.layout.mode === 'stacked') this.keepInSight(scene, tiles);
  }

  private tiles({ layout, metadata }: Scene): Tile[] {
    const { axis, columns, mode } = layout;
    const { vision } = metadata.model;
    const scrolled = mode === 'narrow' || mode === 'stacked';
    const features = new Set(vision.featureLayers);
    const visionEvery = labelEvery(axis.visionPitch);
    const visionTiles = Array.from({ length: vision.layers }, (_, layer): Tile => ({
      tower: 'vision',
      layer,
      left: axis.visionLeft + layer * axis.visionPitch,
      size: axis.visionTile,
      labelled:
        features.has(layer) ||
        (layer % visionEvery === 0 && ![...features].some(feature => Math.abs(feature - layer) < visionEvery)),
      pitch: axis.visionPitch,
    }));
    const left = scrolled ? axis.visionLeft + vision.layers * axis.visionPitch + 24 : axis.decoderLeft;
    const pitch = scrolled ? 55 : columns.pitch;
    const every = labelEvery(pitch);
    const decoderTiles = Array.from({ length: columns.count }, (_, i): Tile => ({
      tower: 'decoder',
      layer: columns.first + i,
      left: left + i * pitch,
      size: scrolled ? axis.visionTile : axis.decoderTile,
      labelled: (columns.first + i) % every === 0,
      pitch,
    }));
    return [...visionTiles, ...decoderTiles];
  }

  private place(scene: Scene, tiles: readonly Tile[]): void {
    const { metadata, layout, selection } = scene;
    const { captions } = this.facesOf(selection.view);
    const { vision, decoder } = metadata.model;
    const first = tiles[vision.layers];
    const last = tiles.at(-1);
    if (!first || !last) return;
    const scrolled = layout.mode === 'narrow' || layout.mode === 'stacked';
    this.strip.classList.toggle('scrolled', scrolled);
    this.strip.style.minWidth = scrolled ? `${last.left + last.size + 16}px` : '';
    this.rule.style.left = `${first.left - (scrolled ? 15 : 52)}px`;
    this.visionCaption.style.left = '16px';
    this.decoderCaption.style.left = scrolled ? '16px' : `${first.left}px`;
    this.maximumCaption.style.left = `${first.left - 46}px`;
    setText(this.maximumCaption, captions.numbers);
    this.maximumCaption.hidden = scrolled || last.pitch < 40;
    setText(this.visionCaption, captions.vision(scene));
    const part =
      layout.columns.count < decoder.layers
        ? `, layers D${layout.columns.first} to D${layout.columns.first + layout.columns.count - 1} of ${decoder.layers}`
        : '';
    if (layout.mode === 'narrow') {
      setText(this.decoderCaption, captions.short(scene));
      return;
    }
    const text = captions.decoder(scene, part);
    setText(this.decoderCaption, scrolled ? `${text} · V: vision tower` : text);
  }

  private keepInSight(scene: Scene, tiles: readonly Tile[]): void {
    const chosen = tiles.find(tile => isChosen(scene, tile));
    if (!chosen || scene.selection.layers !== scene.focus.layers) return;
    const { clientWidth, scrollLeft } = this.element;
    if (chosen.left < scrollLeft + 16 || chosen.left + chosen.size > scrollLeft + clientWidth - 16)
      this.element.scrollLeft = chosen.left - clientWidth / 2 + chosen.size / 2;
  }

  private listen(): void {
    const { hover, actions, selection } = this.context;
    const tileAt = (event: Event): Pick<Tile, 'tower' | 'layer'> | null => {
      const tile = event.target instanceof Element ? event.target.closest<HTMLElement>('.axis-tile') : null;
      if (!tile) return null;
      return { tower: tile.dataset['tower'] === 'vision' ? 'vision' : 'decoder', layer: Number(tile.dataset['layer']) };
    };
    this.strip.addEventListener('pointerover', event => {
      const tile = tileAt(event);
      if (this.dragged !== null && tile?.tower === 'decoder') actions.chooseLayers(this.dragged, tile.layer);
      else if (this.dragged === null)
        measureHover(() => {
          hover.set({ layer: tile });
        });
    });
    this.strip.addEventListener('pointerleave', () => {
      hover.set({ layer: null });
    });
    this.strip.addEventListener('pointerdown', event => {
      const tile = tileAt(event);
      if (!tile || event.button !== 0) return;
      hover.set({ layer: null });
      if (tile.tower === 'vision') actions.chooseVisionLayer(tile.layer);
      else if (event.shiftKey) actions.chooseLayers(selection.get().layers.first, tile.layer);
      else {
        actions.chooseLayer(tile.layer);
        this.dragged = tile.layer;
        window.addEventListener(
          'pointerup',
          () => {
            this.dragged = null;
          },
          { once: true },
        );
      }
    });
    this.strip.addEventListener('keydown', event => {
      const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      const { layers, visionLayers } = {
        layers: this.context.metadata.model.decoder.layers,
        visionLayers: this.context.metadata.model.vision.layers,
      };
      if (step !== undefined && event.shiftKey) actions.extendLayers(step);
      else if (step !== undefined) actions.moveLayer(step);
      else if (event.key === 'Home') actions.chooseVisionLayer(Math.min(0, visionLayers - 1));
      else if (event.key === 'End') actions.chooseLayer(layers - 1);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  private table(): TableData {
    const { scene } = this;
    if (!scene) return { caption: 'Layers', columns: [tableColumn('layer', false)], rows: [] };
    const tiles = this.tiles(scene).map(tile => ({ ...tile, chosen: isChosen(scene, tile) }));
    return this.facesOf(scene.selection.view).table(scene, tiles);
  }
}

const labelEvery = (pitch: number): number => (pitch >= 28 ? 1 : pitch >= 20 ? 2 : 4);

function isChosen({ focus }: Scene, { tower, layer }: Pick<Tile, 'tower' | 'layer'>): boolean {
  if (tower !== focus.tower) return false;
  return tower === 'vision' ? layer === focus.visionLayer : layer >= focus.layers.first && layer <= focus.layers.last;
}

function valueText({ focus }: Scene): string {
  if (focus.tower === 'vision') return `vision layer ${focus.visionLayer}`;
  const { first, last, over } = focus.layers;
  return first === last ? `decoder layer ${first}` : `${over} of decoder layers ${first} to ${last}`;
}

function newTile(tile: Tile): HTMLDivElement {
  const canvas = element('canvas', { 'aria-hidden': 'true' });
  const [label, note] = [element('span', { class: 'tile-label' }), element('span', { class: 'tile-note' })];
  const data = { 'data-testid': 'axis-tile', 'data-tower': tile.tower, 'data-layer': tile.layer };
  return element('div', { class: 'axis-tile', ...data }, canvas, label, note);
}
