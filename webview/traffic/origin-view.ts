/** Left of the charts: the images with the ranks that hold them and where the block in focus looks; else the blocks themselves. */
import type { TrafficWorkload } from '../../trace/traffic/metadata.ts';
import { overlayAlpha } from '../colour/colour-map.ts';
import { drawRamp } from '../colour/ramp.ts';
import { type TableData, tableColumn } from '../charts.ts';
import type { Theme } from '../colour/theme.ts';
import { element, fitCanvas } from '../element.ts';
import { count, probability, share } from '../format.ts';
import { svgElement } from '../svg.ts';
import { keyRange, keysWords, within } from './key-place.ts';
import { label, rankClass } from './rank-rows.ts';
import type { Focus, Pointed } from './traffic-state.ts';
import type { BlockAttention, WorkloadPictures } from './workload-pictures.ts';

const gap = 6;
const caption = 16;

interface Place {
  readonly x: number;
  readonly y: number;
  readonly side: number;
}

export class OriginView {
  readonly element = element('figure', { class: 'traffic-origin', 'data-testid': 'origin' });
  readonly body: HTMLElement | SVGElement;
  private readonly canvas = element('canvas', { role: 'img', tabindex: 0, 'data-testid': 'frames' });
  private readonly blocks = svgElement('svg', { role: 'img', tabindex: 0, 'data-testid': 'blocks' });
  private readonly ramp = element('canvas', { 'aria-hidden': 'true' });
  private readonly scale = element('small', { 'data-testid': 'attention-scale' });
  private readonly note = element('small', {});
  private places: readonly Place[] = [];

  constructor(
    private readonly workload: TrafficWorkload,
    private readonly pictures: WorkloadPictures,
    point: (pointed: Pointed, click: boolean) => void,
  ) {
    const framed = pictures.frames.length > 0;
    this.body = framed ? this.canvas : this.blocks;
    const legend = element('div', { class: 'attention-legend' }, this.ramp, this.scale);
    legend.hidden = !pictures.attended;
    this.element.append(this.body, legend, this.note);
    const report = (event: MouseEvent, click: boolean): void => {
      const rank = framed ? this.rankAt(event) : undefined;
      if (rank !== undefined) point({ rank }, click);
      else if (!click) point({}, false);
    };
    this.canvas.addEventListener('pointermove', event => {
      report(event, false);
    });
    this.canvas.addEventListener('click', event => {
      report(event, true);
    });
  }

  draw(focus: Focus, width: number, theme: Theme): void {
    if (this.pictures.frames.length > 0) this.drawFrames(focus, width, theme);
    else this.drawBlocks(focus, width);
  }

  data(): TableData {
    const { queryRows, keyRows } = this.workload.sharding;
    const { attended } = this.pictures;
    return {
      caption: 'What each rank has at the start',
      columns: [
        tableColumn('rank', false),
        tableColumn('queries'),
        tableColumn('keys'),
        tableColumn('where the keys are', false),
        ...(attended ? [tableColumn('where its query block looks most', false)] : []),
      ],
      rows: queryRows.map((rows, rank) => {
        const attention = this.pictures.attention(rank);
        const looks = attention ? strongest(attention, this.pictures).join('; ') : '–';
        return [
          `rank ${rank}`,
          count(rows),
          count(keyRows[rank]!),
          keysWords(this.workload, rank),
          ...(attended ? [looks] : []),
        ];
      }),
    };
  }

  private drawFrames({ owner, rank, run }: Focus, width: number, theme: Theme): void {
    const { frames, drawables } = this.pictures;
    const columns = Math.ceil(Math.sqrt(frames.length));
    const side = Math.floor((width - (columns - 1) * gap) / columns);
    const named = frames.length > 1 && side >= 40;
    const step = side + gap + (named ? caption : 0);
    this.places = frames.map((_, index) => ({
      x: (index % columns) * (side + gap),
      y: Math.floor(index / columns) * step,
      side,
    }));
    const context = fitCanvas(this.canvas, width, Math.ceil(frames.length / columns) * step - gap);
    context.clearRect(0, 0, width, 10_000);
    const attention = this.pictures.attention(owner);
    const most = attention ? Math.max(...(attention.regions.length > 0 ? attention.regions : attention.frames)) : 0;
    frames.forEach((_, index) => {
      const { x, y } = this.places[index]!;
      const picture = drawables[index];
      context.fillStyle = theme.colour('--fovea-grid');
      context.fillRect(x, y, side, side);
      if (picture) context.drawImage(picture, x, y, side, side);
      if (attention) this.heat(context, attention, index, most, { x, y, side }, theme);
      this.shards(context, index, { x, y, side }, rank, theme);
      if (!named) return;
      context.fillStyle = theme.colour('--vscode-foreground') || '#888';
      context.font = `11px ${theme.colour('--vscode-font-family') || 'sans-serif'}`;
      context.fillText(
        attention ? `${index}: ${share(attention.frames[index]!)}` : String(index),
        x + 2,
        y + side + 12,
      );
    });
    if (attention) {
      drawRamp(this.ramp, 120, theme, 1);
      this.scale.textContent = `0 to ${probability(most)}: attention of query block ${owner}, mean of its queries and of the heads, probability per region`;
    } else this.scale.textContent = `Query block ${owner} is empty.`;
    const many =
      frames.length > 1 ? `${frames.length} frames` : `${frames[0]!.grid.rows} rows of ${frames[0]!.grid.columns} keys`;
    this.note.textContent = `Bands at the left edge: the rank that holds these keys (${many}). Framed: rank ${rank}.`;
    const top = attention ? strongest(attention, this.pictures)[0] : undefined;
    this.canvas.setAttribute(
      'aria-label',
      `Images of the workload, ${run.ranks} ranks hold their keys, framed those of rank ${rank}.${top ? ` Query block ${owner} looks most at ${top}.` : ''}`,
    );
  }

  private heat(
    context: CanvasRenderingContext2D,
    { regions, frames }: BlockAttention,
    frame: number,
    most: number,
    { x, y, side }: Place,
    theme: Theme,
  ): void {
    const grid = this.pictures.regions;
    const { rows, columns } = regions.length > 0 && grid ? grid : { rows: 1, columns: 1 };
    const values = regions.length > 0 ? regions : frames;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const t = most > 0 ? values[(frame * rows + row) * columns + column]! / most : 0;
        const at = Math.round(t * 255) * 3;
        context.fillStyle = `rgb(${theme.colours[at]} ${theme.colours[at + 1]} ${theme.colours[at + 2]} / ${overlayAlpha(t)})`;
        const [left, top] = [Math.round(x + (column * side) / columns), Math.round(y + (row * side) / rows)];
        context.fillRect(
          left,
          top,
          Math.round(x + ((column + 1) * side) / columns) - left,
          Math.round(y + ((row + 1) * side) / rows) - top,
        );
      }
    }
  }

  /** Who holds which rows of a frame. */
  private shards(
    context: CanvasRenderingContext2D,
    index: number,
    { x, y, side }: Place,
    rank: number,
    theme: Theme,
  ): void {
    const frame = this.pictures.frames[index]!;
    const ranks = this.workload.sharding.keyRows.length;
    for (let each = 0; each < ranks; each++) {
      const part = within(keyRange(this.workload, each), frame);
      if (!part) continue;
      const [top, bottom] = [y + (part.first / frame.keys) * side, y + (part.end / frame.keys) * side];
      context.fillStyle = theme.colour(`--fovea-series-${each % 8}`);
      context.fillRect(x, top, 5, bottom - top);
      if (bottom - top >= 14) {
        context.fillStyle = 'rgb(0 0 0 / 75%)';
        context.fillRect(x + 5, top + 1, 26, 14);
        context.fillStyle = '#fff';
        context.font = '600 11px sans-serif';
        context.fillText(`r ${each}`, x + 8, top + 12);
      }
      if (each !== rank) continue;
      context.lineWidth = 4;
      context.strokeStyle = theme.colour('--fovea-lock-halo');
      context.strokeRect(x + 2, top + 2, side - 4, Math.max(1, bottom - top - 4));
      context.lineWidth = 2;
      context.strokeStyle = theme.colour('--fovea-lock');
      context.strokeRect(x + 2, top + 2, side - 4, Math.max(1, bottom - top - 4));
    }
  }

  /** Sizes of query blocks and key-value shards, when there is nothing to look at. */
  private drawBlocks({ rank, owner }: Focus, width: number): void {
    const { queryRows, keyRows } = this.workload.sharding;
    const shown = Math.min(queryRows.length, 16);
    const most = Math.max(1, ...keyRows, ...queryRows);
    const [left, row] = [34, 30];
    const height = 20 + shown * row;
    for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` }))
      this.blocks.setAttribute(name, String(value));
    const length = (rows: number): number => (rows === 0 ? 0 : Math.max(2, (rows / most) * (width - left - 92)));
    this.blocks.replaceChildren(
      label(left, 12, 'what each rank has at the start, to scale'),
      ...Array.from({ length: shown }, (_, each) => {
        const y = 20 + each * row;
        const [queries, keys] = [queryRows[each]!, keyRows[each]!];
        return [
          label(left - 6, y + 16, `r ${each}`, each === rank ? 'strong' : 'dim', 'end'),
          svgElement('rect', {
            class: `held-owner ${rankClass(each)}`,
            x: left,
            y: y + 1,
            width: length(queries),
            height: 10,
          }),
          label(left + length(queries) + 4, y + 10, `${count(queries)} queries`, each === owner ? 'strong' : 'dim'),
          svgElement('rect', {
            class: `shard ${rankClass(each)}`,
            x: left,
            y: y + 14,
            width: length(keys),
            height: 10,
          }),
          label(left + length(keys) + 4, y + 23, `${count(keys)} keys`, each === rank ? 'strong' : 'dim'),
        ];
      }).flat(),
    );
    const rest = queryRows.length > shown ? ` The first ${shown} of ${queryRows.length} ranks.` : '';
    this.note.textContent = `Bold: queries of the block in focus, keys of the rank in focus.${rest}`;
    this.blocks.setAttribute(
      'aria-label',
      `Queries and keys of each rank; rank ${rank} has ${count(keyRows[rank]!)} keys, block ${owner} has ${count(queryRows[owner]!)} queries.`,
    );
  }

  private rankAt(event: MouseEvent): number | undefined {
    const box = this.canvas.getBoundingClientRect();
    const [px, py] = [event.clientX - box.x, event.clientY - box.y];
    const index = this.places.findIndex(({ x, y, side }) => px >= x && px < x + side && py >= y && py < y + side);
    const frame = this.pictures.frames[index];
    if (!frame) return undefined;
    const { y, side } = this.places[index]!;
    const key = frame.firstKey + Math.floor(((py - y) / side) * frame.keys);
    const rank = this.workload.sharding.keyRows.findIndex((_, each) => {
      const { first, end } = keyRange(this.workload, each);
      return key >= first && key < end;
    });
    return rank < 0 ? undefined : rank;
  }
}

/** The frames, or regions of a single image, that a block looks at most, in words. */
export function strongest(
  { frames, regions }: BlockAttention,
  { frames: known, regions: grid }: WorkloadPictures,
): string[] {
  const order = (values: Float32Array): number[] => Array.from(values.keys()).sort((a, b) => values[b]! - values[a]!);
  if (known.length > 1)
    return order(frames)
      .slice(0, 3)
      .map(index => `frame ${index} (${share(frames[index]!)})`);
  if (!grid || regions.length === 0) return [];
  return order(regions)
    .slice(0, 3)
    .map(
      index => `row ${Math.floor(index / grid.columns)}, column ${index % grid.columns} (${share(regions[index]!)})`,
    );
}
