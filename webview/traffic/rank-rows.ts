/** Rows and cells that matrix, ownership grid and lanes share. */
import { svgElement } from '../svg.ts';

export interface RankRows {
  readonly ranks: number;
  /** Side of a cell and height of a row, CSS pixels. */
  readonly cell: number;
  /** Numbers fit into the cells. */
  readonly numbered: boolean;
}

export const gutter = 28;
export const headHeight = 34;
const mostNumbered = 12;
const mapSide = 216;

export function rankRows(ranks: number): RankRows {
  const cell = ranks <= 8 ? 24 : ranks <= mostNumbered ? 20 : Math.max(2, Math.floor(mapSide / ranks));
  return { ranks, cell, numbered: ranks <= mostNumbered };
}

/** From this many ranks on lanes are folded to the rank in focus and its neighbours. */
const mostLanes = 12;
const neighbours = 2;

/** Ranks whose lanes are drawn. @param narrow only that of the focus */
export function shownLanes(ranks: number, rank: number, narrow: boolean): number[] {
  if (narrow) return [rank];
  if (ranks < mostLanes) return Array.from({ length: ranks }, (_, each) => each);
  const around = Array.from({ length: 2 * neighbours + 1 }, (_, index) => (rank + index - neighbours + ranks) % ranks);
  return around.sort((a, b) => a - b);
}

const colours = 8;

/** Sets `--rank`. */
export const rankClass = (rank: number): string => `rank-${rank % colours}`;

export function label(
  x: number,
  y: number,
  text: string,
  kind = 'dim',
  anchor: 'start' | 'middle' | 'end' = 'start',
): SVGTextElement {
  return svgElement('text', { x, y, class: kind, 'text-anchor': anchor }, text);
}

/** Names of the rows; every `step`th where they are too near to each other. */
export function rowLabels({ ranks, cell }: RankRows, rank: number): SVGTextElement[] {
  const step = Math.max(1, Math.ceil(11 / cell));
  return Array.from({ length: ranks }, (_, row) => row)
    .filter(row => row === rank || (row % step === 0 && (step === 1 || Math.abs(row - rank) >= step)))
    .map(row =>
      label(gutter - 6, headHeight + row * cell + cell / 2 + 4, `r ${row}`, row === rank ? 'strong' : 'dim', 'end'),
    );
}

/** Names of columns 0 to `count` - 1 above the cells. */
export function columnLabels(count: number, { cell }: RankRows, chosen: number): SVGTextElement[] {
  const step = Math.max(1, Math.ceil(16 / cell));
  return Array.from({ length: count }, (_, column) => column)
    .filter(column => column === chosen || (column % step === 0 && (step === 1 || Math.abs(column - chosen) >= step)))
    .map(column =>
      label(
        gutter + column * cell + cell / 2,
        headHeight - 5,
        String(column),
        column === chosen ? 'strong' : 'dim',
        'middle',
      ),
    );
}

/** Cells as one path: a map has many of them. */
export function cellsPath(cells: readonly (readonly [row: number, column: number])[], cell: number): string {
  const side = cell >= 6 ? cell - 1 : cell;
  const inset = cell >= 6 ? 0.5 : 0;
  return cells
    .map(([row, column]) => {
      const [x, y] = [gutter + column * cell + inset, headHeight + row * cell + inset];
      return `M${x},${y}h${side}v${side}h${-side}z`;
    })
    .join('');
}

/** The cell under the pointer; undefined outside of all of them. */
export function cellAt(
  svg: SVGSVGElement,
  event: MouseEvent,
  { ranks, cell }: RankRows,
  columns: number,
): { readonly row: number; readonly column: number } | undefined {
  const box = svg.getBoundingClientRect();
  const row = Math.floor((event.clientY - box.y - headHeight) / cell);
  const column = Math.floor((event.clientX - box.x - gutter) / cell);
  return row >= 0 && row < ranks && column >= 0 && column < columns ? { row, column } : undefined;
}

/** A frame with a halo around a cell that is locked or pointed at. */
export function lockFrame(x: number, y: number, width: number, height: number): SVGRectElement[] {
  const place = { x: x + 1, y: y + 1, width: Math.max(1, width - 2), height: Math.max(1, height - 2) };
  return [svgElement('rect', { class: 'lock-halo', ...place }), svgElement('rect', { class: 'lock-frame', ...place })];
}
