/** Bytes from rank to rank, as links carry them or as the algorithm means them: [row][column], with sums. */
import { hopMatrix, logicalMatrix } from '../../trace/traffic/matrices.ts';
import { type TableData, tableColumn } from '../charts.ts';
import { element } from '../element.ts';
import { count } from '../format.ts';
import { svgElement } from '../svg.ts';
import type { ByteScale } from './byte-scale.ts';
import { Once } from './once.ts';
import { bytes, byteUnit, cellBytes } from './quantity.ts';
import {
  cellAt,
  cellsPath,
  columnLabels,
  gutter,
  headHeight,
  label,
  lockFrame,
  type RankRows,
  rowLabels,
} from './rank-rows.ts';
import { holderOf, type RunTraffic, transfersIn } from './run-traffic.ts';
import type { Focus, Pointed, TrafficChoice } from './traffic-state.ts';

const sumWidth = 46;
const sumHeight = 20;

export class ByteMatrix {
  readonly body = svgElement('svg', { tabindex: 0, role: 'img', 'data-testid': 'byte-matrix' });
  readonly element = element('div', { class: 'rank-chart' }, this.body);
  private readonly cells = svgElement('g');
  private readonly marks = svgElement('g', { class: 'marks' });
  private values: readonly (readonly number[])[] = [];
  private logical = false;
  private words = '';
  private readonly drawn = new Once();

  constructor(
    private readonly run: RunTraffic,
    private readonly rows: RankRows,
    point: (pointed: Pointed, click: boolean) => void,
  ) {
    this.body.append(this.cells, this.marks);
    const report = (event: MouseEvent, click: boolean): void => {
      const at = cellAt(this.body, event, rows, rows.ranks);
      if (at) point(this.pointed(at.row, at.column), click);
      else if (!click) point({}, false);
    };
    this.body.addEventListener('pointermove', event => {
      report(event, false);
    });
    this.body.addEventListener('click', event => {
      report(event, true);
    });
  }

  /** Bytes of the matrix that is chosen; also what the scale of all runs is made of. */
  static values(run: RunTraffic, choice: TrafficChoice, round: number): number[][] {
    const matrix = choice.matrix === 'hops' ? hopMatrix : logicalMatrix;
    return matrix(transfersIn(run, round, choice.rounds), run.ranks);
  }

  draw(choice: TrafficChoice, { rank, round }: Focus, scale: ByteScale): void {
    const { run, rows } = this;
    const { ranks, cell, numbered } = rows;
    const colours = [scale.low, scale.high, scale.fill(scale.high)];
    if (!this.drawn.isNew(choice.matrix, choice.rounds, choice.rounds === 'all' ? 0 : round, rank, ...colours)) return;
    this.logical = choice.matrix === 'owners';
    this.values = ByteMatrix.values(run, choice, round);
    const sent = this.values.map(row => row.reduce((sum, value) => sum + value, 0));
    const received = Array.from({ length: ranks }, (_, column) =>
      this.values.reduce((sum, row) => sum + row[column]!, 0),
    );
    const largest = Math.max(0, ...this.values.flat());
    const unit = byteUnit(largest);
    const [width, height] = [Math.max(160, gutter + ranks * cell + sumWidth), headHeight + ranks * cell + sumHeight];
    for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` }))
      this.body.setAttribute(name, String(value));
    const rule = this.logical ? 'owner to consumer' : 'row to column';
    const when = choice.rounds === 'all' ? 'all rounds' : `${choice.rounds === 'only' ? '' : 'up to '}round ${round}`;
    this.words = `${this.logical ? 'Bytes of each owner’s blocks that arrive at each rank' : 'Bytes sent from rank to rank'}, ${run.title}, ${when}`;
    const coloured = new Map<string, [number, number][]>();
    const numbers: SVGTextElement[] = [];
    this.values.forEach((row, r) => {
      row.forEach((value, c) => {
        if (value === 0) return;
        const fill = scale.fill(value);
        coloured.set(fill, [...(coloured.get(fill) ?? []), [r, c]]);
        if (!numbered) return;
        const text = label(
          gutter + c * cell + cell / 2,
          headHeight + r * cell + cell / 2 + 4,
          cellBytes(value, unit),
          `cell-number ${scale.ink(value)}`,
          'middle',
        );
        numbers.push(text);
      });
    });
    const empty = this.values.flatMap((row, r) =>
      row.flatMap((value, c): [number, number][] => (value === 0 ? [[r, c]] : [])),
    );
    const sums =
      cell >= 10
        ? sent.map((value, r) =>
            sumLabel(gutter + ranks * cell + sumWidth - 4, headHeight + r * cell + cell / 2 + 4, value, unit, 'end'),
          )
        : [];
    const columnSums = numbered
      ? received.map((value, c) =>
          sumLabel(gutter + c * cell + cell / 2, headHeight + ranks * cell + 14, value, unit, 'middle'),
        )
      : [];
    const total = sent.reduce((sum, value) => sum + value, 0);
    this.cells.replaceChildren(
      label(gutter, 12, `${unit.name} ${this.logical ? 'arrived' : 'sent'}, ${rule}`),
      ...rowLabels(rows, rank),
      ...columnLabels(ranks, rows, -1),
      ...(cell >= 6 ? [svgElement('path', { class: 'empty-cells', d: cellsPath(empty, cell) })] : []),
      svgElement('rect', { class: 'map-frame', x: gutter, y: headHeight, width: ranks * cell, height: ranks * cell }),
      ...[...coloured].map(([fill, cells]) =>
        svgElement('path', { class: 'byte-cells', fill, d: cellsPath(cells, cell) }),
      ),
      ...numbers,
      label(gutter + ranks * cell + sumWidth - 4, headHeight - 5, 'sum', 'dim', 'end'),
      ...sums,
      ...columnSums,
      label(
        gutter + ranks * cell + sumWidth - 4,
        headHeight + ranks * cell + 14,
        cellBytes(total, unit) || '0',
        'strong',
        'end',
      ),
    );
    const [most, from, to] = this.values.reduce<[number, number, number]>(
      (best, row, r) => row.reduce((inner, value, c) => (value > inner[0] ? [value, r, c] : inner), best),
      [0, 0, 0],
    );
    this.body.setAttribute(
      'aria-label',
      `${this.words}: ${count(total)} bytes in all, most from rank ${from} to rank ${to}, ${bytes(most)}.`,
    );
  }

  /** Marks what goes out from the rank in focus. */
  mark({ rank, owner, run }: Focus): void {
    const { cell } = this.rows;
    if (run.ranks !== this.rows.ranks) return;
    const row = this.logical ? owner : rank;
    const frames = (this.values[row] ?? []).flatMap((value, column) =>
      value > 0 && (!this.logical || column === rank)
        ? lockFrame(gutter + column * cell, headHeight + row * cell, cell, cell)
        : [],
    );
    this.marks.replaceChildren(...frames);
  }

  data(): TableData {
    const { ranks } = this.rows;
    const columns = Array.from({ length: ranks }, (_, rank) => tableColumn(`to rank ${rank}`));
    return {
      caption: `${this.words}; bytes`,
      columns: [tableColumn(this.logical ? 'owner' : 'from', false), ...columns, tableColumn('sum')],
      rows: this.values.map((row, rank) => [
        `rank ${rank}`,
        ...row.map(count),
        count(row.reduce((sum, value) => sum + value, 0)),
      ]),
    };
  }

  private pointed(row: number, column: number): Pointed {
    const { run } = this;
    if (!this.logical) return { run: run.index, rank: row };
    const round = Array.from({ length: run.rounds }, (_, each) => each).find(
      each => holderOf(run, row, each) === column,
    );
    return { run: run.index, owner: row, rank: column, ...(round === undefined ? {} : { round }) };
  }
}

function sumLabel(
  x: number,
  y: number,
  value: number,
  unit: ReturnType<typeof byteUnit>,
  anchor: 'middle' | 'end',
): SVGTextElement {
  return label(x, y, cellBytes(value, unit) || '0', 'sum-number', anchor);
}
