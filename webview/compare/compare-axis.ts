import { select } from 'd3';
import { tableColumn, type ChartTables, type TableData } from '../charts.ts';
import { paintCells } from '../colour/heat.ts';
import { canvasRatio, context2d, element, fitCanvas, setText } from '../element.ts';
import { cornerProbability, count, probability } from '../format.ts';
import type { Layout } from '../layout.ts';
import { measureHover } from '../measures.ts';
import type { PanelContext } from '../panel-context.ts';
import type { Tower } from '../selection.ts';
import type { LayerDifference, PairScene } from './pair-scene.ts';

interface Tile {
  readonly tower: Tower;
  readonly layer: number;
  readonly left: number;
  readonly size: number;
  readonly labelled: boolean;
  readonly roomy: boolean;
  readonly difference: LayerDifference;
}

const tileName = ({ tower, layer }: Pick<Tile, 'tower' | 'layer'>): string =>
  `${tower === 'vision' ? 'V' : 'D'}${layer}`;

/** The film strip of the layers: in what A and B differ at each. */
export class CompareAxis {
  readonly element: HTMLElement;
  private readonly strip = element('div', {
    class: 'tiles',
    role: 'slider',
    tabindex: 0,
    'aria-label': 'Layer',
    'aria-orientation': 'horizontal',
    'data-testid': 'compare-axis',
  });
  private readonly visionCaption = element('span', { class: 'axis-caption vision' });
  private readonly decoderCaption = element('span', { class: 'axis-caption decoder' });
  private readonly numberCaption = element('span', { class: 'axis-caption maximum' });
  private readonly rule = element('span', { class: 'axis-rule' });
  private scene: PairScene | null = null;
  private layout: Layout | null = null;

  constructor(
    private readonly context: PanelContext,
    tables: ChartTables,
  ) {
    this.strip.append(this.rule, this.visionCaption, this.decoderCaption, this.numberCaption);
    this.element = element('section', { class: 'axis', 'aria-label': 'Depth' }, this.strip);
    this.listen();
    tables.add(this.element, this.strip, () => this.table());
  }

  /** @param layout for the layers that both runs have */
  draw(scene: PairScene, layout: Layout): void {
    this.scene = scene;
    this.layout = layout;
    const tiles = this.tiles(scene, layout);
    const { rows, columns } = scene.a.run.metadata.visual.grid;
    const tallest = Math.round((Math.max(...tiles.map(({ size }) => size)) * rows) / Math.max(rows, columns));
    this.strip.style.height = `${7 + tallest + 30 + 16}px`;
    this.strip.style.setProperty('--tile', `${tallest}px`);
    const chosen = (tile: Tile): boolean => isChosen(scene, tile);
    const elements = select(this.strip)
      .selectAll<HTMLDivElement, Tile>('.axis-tile')
      .data(tiles, tileName)
      .join(enter => enter.append(tile => newTile(tile)));
    elements.each(function (tile) {
      this.style.left = `${tile.left}px`;
      this.style.width = `${tile.size}px`;
      this.style.setProperty('--tile', `${tallest}px`);
      this.classList.toggle('chosen', chosen(tile));
      const [canvas, label, note] = Array.from(this.children) as [HTMLCanvasElement, HTMLElement, HTMLElement];
      setText(label, tile.labelled || chosen(tile) ? tileName(tile) : '');
      setText(note, tile.roomy || chosen(tile) ? numberOf(scene, tile) : '');
      const key = tileKey(scene, tile);
      if (this.dataset['key'] === key) return;
      this.dataset['key'] = key;
      paintTile(canvas, scene, tile);
    });
    this.place(scene, layout, tiles);
    const vision = scene.visionLayers.length;
    const { focus } = scene.base;
    const now = focus.tower === 'vision' ? focus.visionLayer : vision + focus.layers.last;
    this.strip.setAttribute('aria-valuemin', '0');
    this.strip.setAttribute('aria-valuemax', String(vision + scene.layers.length - 1));
    this.strip.setAttribute('aria-valuenow', String(now));
    const name = focus.tower === 'vision' ? `vision layer ${focus.visionLayer}` : `decoder layer ${focus.layers.last}`;
    const difference =
      focus.tower === 'vision' ? scene.visionLayers[focus.visionLayer] : scene.layers[focus.layers.last];
    this.strip.setAttribute('aria-valuetext', difference ? `${name}, ${spokenNumber(scene, difference)}` : name);
    if (scrolls(layout)) this.keepInSight(tiles.find(chosen));
  }

  private tiles(scene: PairScene, { axis, columns, mode }: Layout): Tile[] {
    const scrolled = mode === 'narrow' || mode === 'stacked';
    const visionEvery = labelEvery(axis.visionPitch);
    const vision = scene.visionLayers.map((difference, layer): Tile => ({
      tower: 'vision',
      layer,
      left: axis.visionLeft + layer * axis.visionPitch,
      size: axis.visionTile,
      labelled: layer % visionEvery === 0,
      roomy: axis.visionPitch >= 40,
      difference,
    }));
    const left = scrolled ? axis.visionLeft + vision.length * axis.visionPitch + 24 : axis.decoderLeft;
    const pitch = scrolled ? 55 : columns.pitch;
    const decoder = scene.layers.slice(columns.first, columns.first + columns.count).map((difference, i): Tile => ({
      tower: 'decoder',
      layer: columns.first + i,
      left: left + i * pitch,
      size: scrolled ? axis.visionTile : axis.decoderTile,
      labelled: (columns.first + i) % labelEvery(pitch) === 0,
      roomy: pitch >= 40,
      difference,
    }));
    return [...vision, ...decoder];
  }

  private place(scene: PairScene, layout: Layout, tiles: readonly Tile[]): void {
    const scrolled = scrolls(layout);
    const first = tiles.find(({ tower }) => tower === 'decoder');
    const last = tiles.at(-1);
    this.strip.classList.toggle('scrolled', scrolled);
    this.strip.style.minWidth = scrolled && last ? `${last.left + last.size + 16}px` : '';
    const left = first?.left ?? 0;
    this.rule.style.left = `${left - (scrolled ? 15 : 52)}px`;
    this.visionCaption.style.left = '16px';
    this.decoderCaption.style.left = scrolled ? '16px' : `${left}px`;
    this.numberCaption.style.left = `${left - 40}px`;
    const tokens = scene.shown === 'tokens';
    setText(this.numberCaption, tokens ? 'differ' : 'max');
    this.numberCaption.hidden = scrolled || !last?.roomy;
    const vision = scene.visionLayers.some(one => (differing(one) ?? 0) > 0);
    const what = tokens ? 'patches only one of the two still has' : '|A − B| of the aligned tokens, mean of heads';
    setText(
      this.visionCaption,
      tokens
        ? `Vision tower: ${vision ? 'the same' : 'no patch lost in one only'}`
        : 'Vision tower: |A − B| of CLS, mean of heads',
    );
    const absent = [scene.a, scene.b].find(({ token }) => token === undefined);
    if (!tokens && absent) {
      setText(this.decoderCaption, `Decoder: ${absent.letter} has no token in this place`);
      return;
    }
    setText(
      this.decoderCaption,
      layout.mode === 'narrow' ? `At each layer: ${what}` : `Decoder: ${what}${tokens ? ' at the layer’s input' : ''}`,
    );
  }

  private keepInSight(tile: Tile | undefined): void {
    if (!tile || this.context.hover.get().layer !== null) return;
    const { clientWidth, scrollLeft } = this.element;
    if (tile.left < scrollLeft + 16 || tile.left + tile.size > scrollLeft + clientWidth - 16)
      this.element.scrollLeft = tile.left - clientWidth / 2 + tile.size / 2;
  }

  private listen(): void {
    const { hover, actions } = this.context;
    const tileAt = (event: Event): { tower: Tower; layer: number } | null => {
      const tile = event.target instanceof Element ? event.target.closest<HTMLElement>('.axis-tile') : null;
      if (!tile) return null;
      return { tower: tile.dataset['tower'] === 'vision' ? 'vision' : 'decoder', layer: Number(tile.dataset['layer']) };
    };
    this.strip.addEventListener('pointerover', event => {
      measureHover(() => {
        hover.set({ layer: tileAt(event) });
      });
    });
    this.strip.addEventListener('pointerleave', () => {
      hover.set({ layer: null });
    });
    this.strip.addEventListener('click', event => {
      const tile = tileAt(event);
      if (tile) this.choose(tile.tower, tile.layer);
    });
    this.strip.addEventListener('keydown', event => {
      const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      const last = (this.scene?.layers.length ?? 1) - 1;
      if (step !== undefined) actions.moveLayer(step);
      else if (event.key === 'Home') this.choose(this.scene?.visionLayers.length ? 'vision' : 'decoder', 0);
      else if (event.key === 'End') this.choose('decoder', last);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  private choose(tower: Tower, layer: number): void {
    const { hover, actions } = this.context;
    hover.set({ layer: null });
    if (tower === 'vision') actions.chooseVisionLayer(layer);
    else actions.chooseLayer(layer);
  }

  private table(): TableData {
    const { scene, layout } = this;
    const tokens = scene?.shown === 'tokens';
    const columns = [
      tableColumn('layer', false),
      ...(tokens ? ['only A', 'only B', 'both', 'neither'] : ['largest |A − B|']).map(title => tableColumn(title)),
    ];
    if (!scene || !layout) return { caption: 'Layers', columns, rows: [] };
    const rows = this.tiles(scene, layout).map(({ tower, layer, difference: { kept, attention } }) => [
      tileName({ tower, layer }),
      ...(tokens
        ? kept
          ? [kept.onlyFirst, kept.onlySecond, kept.both, kept.neither].map(String)
          : ['', '', '', '']
        : [attention ? probability(attention.maximum) : '']),
    ]);
    return {
      caption: tokens
        ? 'Patches that a token of A or B covers, at the input of each layer'
        : 'Difference of attention by layer',
      columns,
      rows,
    };
  }
}

const scrolls = ({ mode }: Layout): boolean => mode === 'narrow' || mode === 'stacked';
const labelEvery = (pitch: number): number => (pitch >= 28 ? 1 : pitch >= 20 ? 2 : 4);

function isChosen({ base }: PairScene, { tower, layer }: Tile): boolean {
  const { focus } = base;
  if (tower !== focus.tower) return false;
  return tower === 'vision' ? layer === focus.visionLayer : layer >= focus.layers.first && layer <= focus.layers.last;
}

const differing = ({ kept }: LayerDifference): number | null => kept && kept.onlyFirst + kept.onlySecond;

function numberOf(scene: PairScene, { difference }: Tile): string {
  if (scene.shown === 'attention') {
    const { attention } = difference;
    return attention ? (attention.maximum === 0 ? '0' : cornerProbability(attention.maximum)) : '';
  }
  const number = differing(difference);
  return number === null ? '' : count(number);
}

function spokenNumber(scene: PairScene, difference: LayerDifference): string {
  if (scene.shown === 'attention')
    return difference.attention
      ? `largest difference ${probability(difference.attention.maximum)}`
      : 'no difference known';
  return difference.kept
    ? `${difference.kept.onlyFirst} patches only A still has, ${difference.kept.onlySecond} only B`
    : 'not recorded';
}

function newTile(tile: Tile): HTMLDivElement {
  const canvas = element('canvas', { 'aria-hidden': 'true' });
  const [label, note] = [element('span', { class: 'tile-label' }), element('span', { class: 'tile-note' })];
  const data = { 'data-testid': 'compare-tile', 'data-tower': tile.tower, 'data-layer': tile.layer };
  return element('div', { class: 'axis-tile', ...data }, canvas, label, note);
}

function tileKey({ shown, a, b, base, maximum, refusal }: PairScene, { difference, size }: Tile): string {
  return JSON.stringify([
    ...[shown, a.run.address, b.run.address, a.run.picture !== null, a.token, b.token, refusal !== undefined],
    ...[difference.states?.map(({ stage }) => stage), difference.attention?.maximum, size],
    ...[shown === 'attention' ? maximum : 0, base.theme.scheme, base.theme.highContrast, canvasRatio()],
  ]);
}

function paintTile(canvas: HTMLCanvasElement, { shown, a, base }: PairScene, { difference, size }: Tile): void {
  const { theme } = base;
  const { rows, columns } = a.run.metadata.visual.grid;
  const height = Math.round((size * rows) / Math.max(rows, columns));
  canvas.classList.toggle('blank', shown === 'attention' ? !difference.attention : !difference.states);
  if (shown === 'attention') {
    canvas.width = columns;
    canvas.height = rows;
    canvas.style.width = `${size}px`;
    canvas.style.height = `${height}px`;
    if (!difference.attention) return;
    const context = context2d(canvas);
    const image = context.createImageData(columns, rows);
    const { values, maximum } = difference.attention;
    paintCells(image.data, columns, 0, 0, values, 0, columns, rows, maximum, theme.opaque);
    context.putImageData(image, 0, 0);
    return;
  }
  const context = fitCanvas(canvas, size, height);
  context.clearRect(0, 0, size, height);
  const { picture } = a.run;
  const place = a.geometry.picture;
  const scale = size / a.geometry.width;
  const drawPicture = (filter: string): void => {
    if (!picture) return;
    context.save();
    context.filter = filter;
    context.drawImage(picture, place.x * scale, place.y * scale, place.width * scale, place.height * scale);
    context.restore();
  };
  drawPicture(theme.scheme === 'light' ? 'grayscale(1) brightness(1.25)' : 'grayscale(1) brightness(0.35)');
  if (!difference.states) return;
  const [keptA, keptB] = [difference.states[0].kept, difference.states[1].kept];
  const [width, tall] = [size / columns, height / rows];
  const cells = (test: (patch: number) => boolean): void => {
    context.beginPath();
    for (let patch = 0; patch < keptA.length; patch++)
      if (test(patch)) context.rect((patch % columns) * width, Math.floor(patch / columns) * tall, width, tall);
  };
  context.save();
  cells(patch => keptA[patch] === 1 && keptB[patch] === 1);
  context.clip();
  drawPicture('none');
  context.restore();
  context.fillStyle = theme.colour('--fovea-run-a');
  cells(patch => keptA[patch] === 1 && keptB[patch] === 0);
  context.fill();
  context.fillStyle = theme.colour('--fovea-run-b');
  cells(patch => keptA[patch] === 0 && keptB[patch] === 1);
  context.fill();
}
