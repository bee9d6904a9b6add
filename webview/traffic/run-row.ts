/** One run: its matrix, its ownership grid and its lanes, in rows of ranks. */
import type { ChartTables } from '../charts.ts';
import { element } from '../element.ts';
import { ByteMatrix } from './byte-matrix.ts';
import type { ByteScale } from './byte-scale.ts';
import { OwnershipGrid } from './ownership-grid.ts';
import { rankRows } from './rank-rows.ts';
import { movingWords, type RunTraffic } from './run-traffic.ts';
import { SwimLanes } from './swim-lanes.ts';
import type { Focus, Pointed, TrafficChoice } from './traffic-state.ts';

export interface RowSpace {
  /** Width of the canvas. */
  readonly canvas: number;
  readonly end: number;
  readonly narrow: boolean;
}

const gap = 16;
const leastLanes = 380;

export class RunRow {
  readonly element: HTMLElement;
  private readonly matrix: ByteMatrix;
  private readonly grid: OwnershipGrid;
  private readonly lanes: SwimLanes;

  constructor(
    readonly run: RunTraffic,
    point: (pointed: Pointed, click: boolean) => void,
  ) {
    const rows = rankRows(run.ranks);
    this.matrix = new ByteMatrix(run, rows, point);
    this.grid = new OwnershipGrid(run, rows, point);
    this.lanes = new SwimLanes(run, rows, point);
    const { links, wire, status } = run.run;
    const words = [
      movingWords(run.moving).sentence,
      `${wire.element} on the wire`,
      ...(links.simulated ? ['links simulated'] : []),
      ...(status.state === 'partial' ? ['broke off'] : []),
    ];
    const heading = element('h2', {}, run.title, element('small', {}, ` ${words.join(' · ')}`));
    const charts = element('div', { class: 'rank-charts' }, this.matrix.element, this.grid.element, this.lanes.element);
    this.element = element(
      'section',
      { class: 'run-row', 'data-run': run.index, 'data-testid': `run-${run.index}`, 'aria-label': run.title },
      heading,
      charts,
    );
  }

  register(tables: ChartTables): void {
    const { title } = this.run;
    tables.add(this.matrix.element, this.matrix.body, () => this.matrix.data(), { title: `Bytes, ${title}` });
    tables.add(this.grid.element, this.grid.body, () => this.grid.data(), { title: `Blocks held, ${title}` });
    tables.add(this.lanes.element, this.lanes.body, () => this.lanes.data(), { title: `Lanes, ${title}` });
  }

  draw(choice: TrafficChoice, focus: Focus, scale: ByteScale, { canvas, end, narrow }: RowSpace): void {
    // The same round of another run may not be there.
    const own = { ...focus, round: Math.min(focus.round, this.run.rounds) };
    this.matrix.draw(choice, own, scale);
    this.matrix.mark(own);
    this.grid.draw(own);
    this.grid.mark(own);
    const used =
      Number(this.matrix.body.getAttribute('width')) + Number(this.grid.body.getAttribute('width')) + 2 * gap;
    const width = canvas - used >= leastLanes ? canvas - used : Math.max(260, canvas);
    this.lanes.draw(own, { width, end, narrow });
    this.lanes.mark(own);
  }
}
