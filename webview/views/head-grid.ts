import { range, select } from 'd3';
import { tableColumn, type TableData } from '../charts.ts';
import { paintCells, shrinkToMaximum } from '../colour/heat.ts';
import { context2d, element, fitCanvas } from '../element.ts';
import { cornerProbability, probability, share } from '../format.ts';
import { measureHover } from '../measures.ts';
import type { PanelContext } from '../panel-context.ts';
import type { Scene } from '../scene.ts';

/** Maps with less of the row than this on the image are faded, so that noise does not look like attention. */
export const fadeUnder = 0.05;
const faded = 0.28;

interface HeadMap {
  readonly layer: number;
  readonly head: number;
}

interface HeadStatistics {
  /** Largest value, of what is not hidden. */
  readonly maximum: number;
  /** Sum over the image, of what is not hidden. */
  readonly sum: number;
}

/** Every head of every layer in sight: what the row reads of the image, one map each. */
export class HeadGrid {
  readonly element: HTMLElement;
  readonly body: HTMLElement;
  private readonly canvas = element('canvas', { role: 'img', 'data-testid': 'head-grid' });
  private readonly marks = element('canvas', { 'aria-hidden': 'true', class: 'marks' });
  private readonly labels = element('div', { class: 'head-labels', 'aria-hidden': 'true' });
  /** In the panel, the depth axis below names the layers. */
  private readonly layers = element('div', { class: 'head-layers figure-only', 'aria-hidden': 'true' });
  private readonly cells = element('div', { class: 'head-cells', role: 'row' });
  private readonly atlas = document.createElement('canvas');
  private statistics: HeadStatistics[] = [];
  private scene: Scene | null = null;
  private drawn = '';
  private labelling = 0;
  private cursor: HeadMap | null = null;

  constructor(private readonly context: PanelContext) {
    this.body = element(
      'div',
      { class: 'head-grid', role: 'grid', tabindex: 0, 'aria-label': 'Head by layer maps' },
      this.labels,
      this.canvas,
      this.marks,
      this.cells,
      this.layers,
    );
    this.element = element('div', { class: 'head-grid-chart' }, this.body);
    this.listen();
  }

  draw(scene: Scene): void {
    const { layout, metadata } = scene;
    const moved = this.scene?.layout !== layout;
    this.scene = scene;
    if (moved) this.place(scene);
    const key = `${scene.shown.row} ${scene.selection.hideText} ${scene.sharedMaximum} ${layout.columns.first} ${scene.theme.scheme} ${scene.theme.highContrast}`;
    if (moved || key !== this.drawn) {
      this.drawn = key;
      this.paint(scene);
      window.clearTimeout(this.labelling);
      // Names for screen readers may follow the drawing; there can be a thousand of them.
      this.labelling = window.setTimeout(() => {
        this.label();
      }, 200);
      this.canvas.setAttribute(
        'aria-label',
        `Attention of the ${scene.words.subject} to the image, ${metadata.model.decoder.heads} heads by ` +
          `${layout.columns.count} layers, up to ${probability(Math.max(0, ...this.statistics.map(one => one.maximum)))}`,
      );
    }
    this.drawMarks();
  }

  table(): TableData {
    const columns = ['head', 'layer', 'maximum', 'sum on the image'].map(title => tableColumn(title));
    const rows = this.maps().map(({ layer, head }) => {
      const one = this.statisticsOf({ layer, head });
      return [String(head), `D${layer}`, probability(one?.maximum ?? 0), share(one?.sum ?? 0)];
    });
    return {
      caption: `Head by layer: attention of the ${this.scene?.words.subject ?? 'row'} to the image`,
      columns,
      rows,
    };
  }

  private maps(): HeadMap[] {
    if (!this.scene) return [];
    const { first, count } = this.scene.layout.columns;
    const { heads } = this.scene.metadata.model.decoder;
    return range(heads).flatMap(head => range(first, first + count).map(layer => ({ layer, head })));
  }

  private statisticsOf({ layer, head }: HeadMap): HeadStatistics | undefined {
    const columns = this.scene?.layout.columns;
    return columns && this.statistics[head * columns.count + layer - columns.first];
  }

  private place({ layout, metadata }: Scene): void {
    const { columns, map, gutter } = layout;
    const { heads } = metadata.model.decoder;
    const at = ({ layer, head }: HeadMap): [number, number] => [
      (layer - columns.first) * columns.pitch,
      head * map.pitch,
    ];
    this.body.style.maxHeight = `${layout.gridHeight}px`;
    for (const part of [this.canvas, this.marks, this.cells]) part.style.left = `${gutter}px`;
    this.cells.style.height = `${heads * map.pitch}px`;
    const every = map.pitch >= 14 ? 1 : 2;
    select(this.labels)
      .selectAll<HTMLElement, number>('span')
      .data(range(0, heads, every))
      .join('span')
      .style('top', head => `${head * map.pitch + map.height / 2 - 7}px`)
      .text(head => (map.pitch >= 40 ? `head ${head}` : String(head)));
    const layerEvery = columns.pitch >= 28 ? 1 : columns.pitch >= 16 ? 2 : 4;
    this.layers.style.top = `${heads * map.pitch}px`;
    select(this.layers)
      .selectAll<HTMLElement, number>('span')
      .data(range(0, columns.count, layerEvery))
      .join('span')
      .style('left', column => `${gutter + column * columns.pitch}px`)
      .text(column => `D${columns.first + column}`);
    select(this.cells)
      .selectAll<HTMLDivElement, HeadMap>('.head-map')
      .data(this.maps())
      .join('div')
      .attr('class', 'head-map')
      .attr('role', 'gridcell')
      .attr('data-testid', 'head-map')
      .attr('id', one => `head-map-${one.layer}-${one.head}`)
      .attr('data-layer', one => one.layer)
      .attr('data-head', one => one.head)
      .style('left', one => `${at(one)[0]}px`)
      .style('top', one => `${at(one)[1]}px`)
      .style('width', `${map.width}px`)
      .style('height', `${map.height}px`);
  }

  /** All maps go into one atlas, a cell per value, which is then stretched map by map. */
  private paint(scene: Scene): void {
    const { layout, metadata, rowMaps, theme, sharedMaximum } = scene;
    const { columns, map } = layout;
    const { grid } = metadata.visual;
    const { heads } = metadata.model.decoder;
    const shrink = map.width < grid.columns || map.height < grid.rows;
    const [wide, high] = shrink ? [map.width, map.height] : [grid.columns, grid.rows];
    const width = columns.count * columns.pitch;
    const context = fitCanvas(this.canvas, width, heads * map.pitch);
    context.clearRect(0, 0, width, heads * map.pitch);
    this.statistics = [];
    if (!rowMaps) return;
    this.atlas.width = columns.count * wide;
    this.atlas.height = heads * high;
    const drawing = context2d(this.atlas);
    const image = drawing.createImageData(this.atlas.width, this.atlas.height);
    const patches = grid.columns * grid.rows;
    for (const { layer, head } of this.maps()) {
      const page = rowMaps.layer(layer);
      const start = head * (rowMaps.leading + patches) + rowMaps.leading;
      const rest = Math.max(1e-6, 1 - rowMaps.hiddenText(layer, head));
      let [maximum, sum] = [0, 0];
      for (let i = start; i < start + patches; i++) {
        const value = page[i]!;
        sum += value;
        if (value > maximum) maximum = value;
      }
      this.statistics.push({ maximum: maximum / rest, sum: sum / rest });
      const shown = shrink ? shrinkToMaximum(page, start, grid.columns, grid.rows, wide, high) : page;
      const scale = sharedMaximum === null ? maximum : sharedMaximum * rest;
      const left = (layer - columns.first) * wide;
      paintCells(
        image.data,
        this.atlas.width,
        left,
        head * high,
        shown,
        shrink ? 0 : start,
        wide,
        high,
        scale,
        theme.opaque,
      );
    }
    drawing.putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    for (const one of this.maps()) this.drawMap(context, one, wide, high, true);
  }

  private drawMap(context: CanvasRenderingContext2D, one: HeadMap, wide: number, high: number, corner: boolean): void {
    const { scene } = this;
    const statistics = this.statisticsOf(one);
    if (!scene || !statistics) return;
    const { layout, theme } = scene;
    const { columns, map } = layout;
    const column = one.layer - columns.first;
    const [x, y] = [column * columns.pitch, one.head * map.pitch];
    const low = statistics.sum < fadeUnder;
    context.globalAlpha = low ? faded : 1;
    context.drawImage(this.atlas, column * wide, one.head * high, wide, high, x, y, map.width, map.height);
    context.globalAlpha = 1;
    if (theme.scheme === 'light' || theme.highContrast) {
      context.strokeStyle = theme.highContrast ? theme.colour('--vscode-contrastBorder') : theme.colour('--fovea-grid');
      context.lineWidth = 1;
      context.strokeRect(x + 0.5, y + 0.5, map.width - 1, map.height - 1);
    }
    if (!corner || map.width < 44) return;
    context.font = `10px ${theme.colour('--vscode-font-family') || 'sans-serif'}`;
    context.textAlign = 'right';
    context.textBaseline = 'alphabetic';
    context.lineJoin = 'round';
    context.lineWidth = 3;
    context.globalAlpha = low ? 0.75 : 1;
    context.strokeStyle = theme.colour('--fovea-lock-halo');
    context.fillStyle = theme.colour('--fovea-lock');
    const text = cornerProbability(statistics.maximum);
    context.strokeText(text, x + map.width - 2, y + map.height - 3);
    context.fillText(text, x + map.width - 2, y + map.height - 3);
    context.globalAlpha = 1;
  }

  /** The chosen layers' column, the chosen head and the map under the pointer, which shows itself without its number. */
  private drawMarks(): void {
    const { scene } = this;
    if (!scene) return;
    const { layout, focus, theme, metadata } = scene;
    const { columns, map } = layout;
    const { heads } = metadata.model.decoder;
    const width = columns.count * columns.pitch;
    const context = fitCanvas(this.marks, width, heads * map.pitch);
    context.clearRect(0, 0, width, heads * map.pitch);
    const hovered = this.cursor;
    if (hovered && this.statisticsOf(hovered)) {
      const [wide, high] = [this.atlas.width / columns.count, this.atlas.height / heads];
      context.imageSmoothingEnabled = false;
      const [x, y] = [(hovered.layer - columns.first) * columns.pitch, hovered.head * map.pitch];
      context.fillStyle = theme.colour('--vscode-editor-background');
      context.fillRect(x, y, map.width, map.height);
      this.drawMap(context, hovered, wide, high, false);
    }
    context.strokeStyle = theme.colour('--vscode-focusBorder');
    context.lineWidth = 2;
    if (focus.tower === 'decoder') {
      const x = (focus.layers.first - columns.first) * columns.pitch;
      const end = (focus.layers.last - columns.first) * columns.pitch + map.width;
      context.strokeRect(x - 1, 1, end - x + 2, heads * map.pitch - (map.pitch - map.height) - 2);
      if (typeof focus.head === 'number')
        context.strokeRect(x + 1, focus.head * map.pitch + 1, end - x - 2, map.height - 2);
    }
    if (!hovered) return;
    context.strokeStyle = theme.colour('--fovea-lock');
    context.lineWidth = 1;
    context.strokeRect(
      (hovered.layer - columns.first) * columns.pitch + 0.5,
      hovered.head * map.pitch + 0.5,
      map.width - 1,
      map.height - 1,
    );
  }

  private label(): void {
    const label = (one: HeadMap): string => {
      const found = this.statisticsOf(one);
      return `head ${one.head}, layer D${one.layer}: maximum ${probability(found?.maximum ?? 0)}, ${share(found?.sum ?? 0)} on the image`;
    };
    select(this.cells).selectAll<HTMLDivElement, HeadMap>('.head-map').attr('aria-label', label).attr('title', label);
  }

  private listen(): void {
    const { hover, actions, selection } = this.context;
    const mapAt = (event: Event): HeadMap | null => {
      const cell = event.target instanceof Element ? event.target.closest<HTMLElement>('.head-map') : null;
      return cell ? { layer: Number(cell.dataset['layer']), head: Number(cell.dataset['head']) } : null;
    };
    this.cells.addEventListener('pointerover', event => {
      measureHover(() => {
        this.pointTo(mapAt(event));
      });
    });
    this.cells.addEventListener('pointerleave', () => {
      this.pointTo(null);
    });
    this.cells.addEventListener('click', event => {
      const map = mapAt(event);
      if (map) actions.chooseLayer(map.layer);
    });
    this.cells.addEventListener('dblclick', event => {
      const map = mapAt(event);
      if (!map) return;
      actions.chooseLayer(map.layer);
      selection.set({ head: map.head });
    });
    this.body.addEventListener('blur', () => {
      this.pointTo(null);
    });
    this.body.addEventListener('keydown', event => {
      if (!this.press(event)) return;
      event.preventDefault();
      event.stopPropagation();
    });
    hover.subscribe((next, before) => {
      if (next.layer === null && before.layer !== null && this.cursor) this.pointTo(null);
    });
  }

  private press(event: KeyboardEvent): boolean {
    const { layers, head } = this.context.selection.get();
    const at = this.cursor ?? { layer: layers.first, head: typeof head === 'number' ? head : 0 };
    const model = this.context.metadata.model.decoder;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step && !event.shiftKey) {
      const clamp = (value: number, size: number): number => Math.max(0, Math.min(size - 1, value));
      this.pointTo({ layer: clamp(at.layer + step[0]!, model.layers), head: clamp(at.head + step[1]!, model.heads) });
    } else if (step && step[1] === 0) this.context.actions.extendLayers(step[0]!);
    else if (event.key === 'Enter') {
      this.context.actions.chooseLayer(at.layer);
      this.context.selection.set({ head: at.head });
    } else return false;
    return true;
  }

  private pointTo(map: HeadMap | null): void {
    this.cursor = map;
    const id = map && `head-map-${map.layer}-${map.head}`;
    if (id) {
      this.body.setAttribute('aria-activedescendant', id);
      if (document.activeElement === this.body) document.getElementById(id)?.scrollIntoView({ block: 'nearest' });
    } else this.body.removeAttribute('aria-activedescendant');
    this.context.hover.set({
      layer: map && { tower: 'decoder', layer: map.layer },
      head: map?.head ?? null,
    });
    this.drawMarks();
  }
}
