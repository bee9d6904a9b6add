import { select } from 'd3';
import type { PatchMap } from '../attention/aggregate.ts';
import { tableColumn, type ChartTables, type TableData } from '../charts.ts';
import { paintCells, shrinkToMaximum } from '../colour/heat.ts';
import { context2d, element, setText } from '../element.ts';
import { cornerProbability, probability } from '../format.ts';
import { measureHover } from '../measures.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import type { Scene } from '../scene.ts';
import type { Tower } from '../selection.ts';

interface Tile {
  readonly tower: Tower;
  readonly layer: number;
  readonly left: number;
  readonly size: number;
  readonly labelled: boolean;
  /** Whether a number fits under it without touching the next. */
  readonly roomy: boolean;
  readonly mark: string;
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
  private readonly maximumCaption = element('span', { class: 'axis-caption maximum' }, 'max');
  private readonly rule = element('span', { class: 'axis-rule' });
  private scene: Scene | null = null;
  private drawn = '';
  private dragged: number | null = null;

  constructor(
    private readonly context: PanelContext,
    tables: ChartTables,
  ) {
    this.strip.append(this.rule, this.visionCaption, this.decoderCaption, this.maximumCaption);
    this.element = element('section', { class: 'axis', 'aria-label': 'Depth' }, this.strip);
    this.listen();
    tables.add(this.element, this.strip, () => this.table(), { title: 'Layer by layer', scale: 'maps' });
  }

  draw(scene: Scene): void {
    this.scene = scene;
    const tiles = this.tiles(scene);
    this.place(scene, tiles);
    const elements = select(this.strip)
      .selectAll<HTMLDivElement, Tile>('.axis-tile')
      .data(tiles, tileName)
      .join(enter => enter.append(tile => newTile(tile)));
    const { focus, metadata } = scene;
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
      const map = mapOf(scene, tile);
      setText(
        note,
        tile.mark || (map && tile.tower === 'decoder' && (tile.roomy || chosen) ? cornerProbability(map.maximum) : ''),
      );
    });
    const key = `${scene.heatKey} ${scene.theme.scheme} ${scene.layout.columns.first} ${scene.layout.columns.pitch}`;
    if (key !== this.drawn) {
      this.drawn = key;
      elements.each(function (tile) {
        paintTile(this.firstElementChild as HTMLCanvasElement, scene, tile);
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
      roomy: false,
      mark: features.has(layer) ? 'features' : '',
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
      roomy: pitch >= 40,
      mark: '',
    }));
    return [...visionTiles, ...decoderTiles];
  }

  private place({ metadata, layout, focus, shown, words }: Scene, tiles: readonly Tile[]): void {
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
    this.maximumCaption.style.left = `${first.left - 40}px`;
    this.maximumCaption.hidden = scrolled || !last.roomy;
    setText(this.visionCaption, `Vision tower: CLS to patches, mean of ${vision.heads} heads`);
    const subject = focus.tower === 'vision' || shown.row === undefined ? 'selected row' : words.subject;
    const part =
      layout.columns.count < decoder.layers
        ? `, layers D${layout.columns.first} to D${layout.columns.first + layout.columns.count - 1} of ${decoder.layers}`
        : '';
    if (layout.mode === 'narrow') {
      setText(this.decoderCaption, `Mean of ${decoder.heads} heads; number: maximum. To the left: vision tower.`);
      return;
    }
    const text = `Decoder: ${subject} to patches, mean of ${decoder.heads} heads${part}`;
    setText(this.decoderCaption, scrolled ? `${text}; V: CLS to patches` : text);
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
    const scene = this.scene;
    const columns = [tableColumn('layer', false), tableColumn('maximum'), tableColumn('sum on the image')];
    if (!scene) return { caption: 'Layers', columns, rows: [] };
    const rows = this.tiles(scene).map(tile => {
      const map = mapOf(scene, tile);
      return [tileName(tile), map ? probability(map.maximum) : '', map ? probability(map.sum) : ''];
    });
    return { caption: 'Attention to the image by layer, mean of heads', columns, rows };
  }
}

const labelEvery = (pitch: number): number => (pitch >= 28 ? 1 : pitch >= 20 ? 2 : 4);

function isChosen({ focus }: Scene, { tower, layer }: Tile): boolean {
  if (tower !== focus.tower) return false;
  return tower === 'vision' ? layer === focus.visionLayer : layer >= focus.layers.first && layer <= focus.layers.last;
}

function mapOf({ layout, decoderTiles, visionTiles }: Scene, { tower, layer }: Tile): PatchMap | undefined {
  return tower === 'vision' ? visionTiles?.[layer] : decoderTiles?.[layer - layout.columns.first];
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

function paintTile(canvas: HTMLCanvasElement, scene: Scene, tile: Tile): void {
  const { grid } = scene.metadata.visual;
  const map = mapOf(scene, tile);
  const shrink = tile.size < Math.max(grid.columns, grid.rows);
  const ratio = shrink ? tile.size / Math.max(grid.columns, grid.rows) : 1;
  const [columns, rows] = [Math.max(1, Math.floor(grid.columns * ratio)), Math.max(1, Math.floor(grid.rows * ratio))];
  if (canvas.width !== columns) canvas.width = columns;
  if (canvas.height !== rows) canvas.height = rows;
  canvas.style.height = `${Math.round((tile.size * grid.rows) / Math.max(grid.columns, grid.rows))}px`;
  const context = context2d(canvas);
  const values = map?.values ?? new Float32Array(grid.columns * grid.rows);
  const shown = shrink ? shrinkToMaximum(values, 0, grid.columns, grid.rows, columns, rows) : values;
  const image = context.createImageData(columns, rows);
  const maximum = (tile.tower === 'decoder' ? scene.sharedMaximum : null) ?? map?.maximum ?? 0;
  paintCells(image.data, columns, 0, 0, shown, 0, columns, rows, maximum, scene.theme.opaque);
  context.putImageData(image, 0, 0);
}
