/** Which rank works on whose block in which round, and that everything comes home. */
import { type TableData, tableColumn } from '../charts.ts';
import { element } from '../element.ts';
import { svgElement } from '../svg.ts';
import {
  cellAt,
  cellsPath,
  columnLabels,
  gutter,
  headHeight,
  label,
  lockFrame,
  rankClass,
  type RankRows,
  rowLabels,
} from './rank-rows.ts';
import { Once } from './once.ts';
import { heldOwner, movingWords, type RunTraffic } from './run-traffic.ts';
import type { Focus, Pointed } from './traffic-state.ts';

export class OwnershipGrid {
  readonly body = svgElement('svg', { tabindex: 0, role: 'img', 'data-testid': 'ownership-grid' });
  readonly element = element('div', { class: 'rank-chart' }, this.body);
  private readonly cells = svgElement('g');
  private readonly marks = svgElement('g', { class: 'marks' });
  private readonly drawn = new Once();

  constructor(
    private readonly run: RunTraffic,
    private readonly rows: RankRows,
    point: (pointed: Pointed, click: boolean) => void,
  ) {
    this.body.append(this.cells, this.marks);
    const report = (event: MouseEvent, click: boolean): void => {
      const at = this.at(event);
      if (at) point({ run: run.index, rank: at.rank, round: at.round }, click);
      else if (!click) point({}, false);
    };
    this.body.addEventListener('pointermove', event => {
      report(event, false);
    });
    this.body.addEventListener('click', event => {
      report(event, true);
    });
  }

  /** Whether the results' way home is a column of its own: only where blocks travel. */
  private get home(): boolean {
    return this.run.moving === 'query' || this.run.run.pass === 'backward';
  }

  /** Its title needs room where the columns' titles do not. */
  private get homeGap(): number {
    return this.rows.cell >= 20 ? 8 : 22;
  }

  draw({ rank, round }: Focus): void {
    const { run, rows } = this;
    const { ranks, cell, numbered } = rows;
    if (!this.drawn.isNew(rank, round)) return;
    const [width, height] = [
      Math.max(178, gutter + run.rounds * cell + (this.home ? this.homeGap + Math.max(cell, 34) : 4)),
      headHeight + ranks * cell + 4,
    ];
    for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` }))
      this.body.setAttribute(name, String(value));
    const { block } = movingWords(run.moving);
    const owned = Array.from({ length: 8 }, (): [number, number][] => []);
    const missing: [number, number][] = [];
    const numbers: SVGTextElement[] = [];
    run.held.forEach((held, r) => {
      held.forEach((blocks, t) => {
        if (blocks.length === 0) missing.push([r, t]);
        if (blocks.length === 1) owned[blocks[0]! % 8]!.push([r, t]);
        if (numbered)
          numbers.push(
            label(
              this.x(t) + cell / 2,
              headHeight + r * cell + cell / 2 + 4,
              cellText(blocks, ranks),
              'cell-number plain',
              'middle',
            ),
          );
      });
    });
    const homes =
      this.home && numbered
        ? Array.from({ length: ranks }, (_, r) =>
            label(
              this.x(run.rounds) + cell / 2,
              headHeight + r * cell + cell / 2 + 4,
              String(r),
              'cell-number plain',
              'middle',
            ),
          )
        : [];
    const homeCells = this.home
      ? Array.from({ length: ranks }, (_, r) =>
          svgElement('rect', {
            class: `held ${rankClass(r)}`,
            x: this.x(run.rounds) + 0.5,
            y: headHeight + r * cell + 0.5,
            width: Math.max(1, cell - 1),
            height: Math.max(1, cell - 1),
          }),
        )
      : [];
    const all = run.held.flatMap((held, r) =>
      held.flatMap((blocks, t): [number, number][] => (blocks.length > 1 ? [[r, t]] : [])),
    );
    this.cells.replaceChildren(
      label(gutter, 12, `${block} per round`),
      ...rowLabels(rows, rank),
      ...columnLabels(run.rounds, rows, round),
      ...(this.home
        ? [
            label(
              this.x(run.rounds) + cell / 2,
              headHeight - 5,
              'home',
              round === run.rounds ? 'strong' : 'dim',
              'middle',
            ),
          ]
        : []),
      ...owned.flatMap((cells, colour) =>
        cells.length === 0
          ? []
          : [svgElement('path', { class: `held ${rankClass(colour)}`, d: cellsPath(cells, cell) })],
      ),
      svgElement('path', { class: 'held several', d: cellsPath(all, cell) }),
      svgElement('path', { class: 'missing', d: cellsPath(missing, cell) }),
      ...homeCells,
      ...numbers,
      ...homes,
    );
    const words = `${block} that each of ${ranks} ranks holds in each of ${run.rounds} rounds, ${run.title}`;
    this.body.setAttribute(
      'aria-label',
      `${words}. Rank ${rank} in round ${round}: block ${heldOwner(run, rank, round)}.`,
    );
  }

  mark({ rank, round, owner, run: focused }: Focus): void {
    const { run, rows } = this;
    const { ranks, cell, numbered } = rows;
    const marks: SVGElement[] = [];
    for (let r = 0; r < ranks; r++) {
      for (let t = 0; t <= (this.home ? run.rounds : run.rounds - 1); t++) {
        const blocks = t < run.rounds ? run.held[r]![t]! : [r];
        if (blocks.length !== 1 || blocks[0] !== owner) continue;
        const [x, y] = [this.x(t), headHeight + r * cell];
        marks.push(
          svgElement('rect', {
            class: `held-owner ${rankClass(owner)}`,
            x: x + 0.5,
            y: y + 0.5,
            width: Math.max(1, cell - 1),
            height: Math.max(1, cell - 1),
          }),
        );
        if (numbered) marks.push(label(x + cell / 2, y + cell / 2 + 4, String(owner), 'cell-number on-rank', 'middle'));
      }
    }
    if (round < run.rounds || this.home)
      marks.push(
        svgElement('rect', {
          class: 'chosen-column',
          x: this.x(round) - 0.5,
          y: headHeight - 1.5,
          width: cell + 1,
          height: ranks * cell + 3,
        }),
      );
    if (focused === run && (round < run.rounds || this.home))
      marks.push(...lockFrame(this.x(round), headHeight + rank * cell, cell, cell));
    this.marks.replaceChildren(...marks);
  }

  data(): TableData {
    const { run } = this;
    const { block } = movingWords(run.moving);
    return {
      caption: `Owner of the ${block} that each rank holds per round, ${run.title}`,
      columns: [
        tableColumn('rank', false),
        ...Array.from({ length: run.rounds }, (_, round) => tableColumn(`round ${round}`)),
      ],
      rows: run.held.map((held, rank) => [`rank ${rank}`, ...held.map(blocks => cellText(blocks, run.ranks) || '–')]),
    };
  }

  private x(round: number): number {
    return gutter + round * this.rows.cell + (round === this.run.rounds ? this.homeGap : 0);
  }

  private at(event: MouseEvent): { readonly rank: number; readonly round: number } | undefined {
    const { run, rows } = this;
    const inside = cellAt(this.body, event, rows, run.rounds);
    if (inside) return { rank: inside.row, round: inside.column };
    const box = this.body.getBoundingClientRect();
    const rank = Math.floor((event.clientY - box.y - headHeight) / rows.cell);
    const atHome = this.home && event.clientX - box.x >= this.x(run.rounds);
    return atHome && rank >= 0 && rank < run.ranks ? { rank, round: run.rounds } : undefined;
  }
}

/** The owner; "all" or how many where a rank works on several blocks at once. */
function cellText(blocks: readonly number[], ranks: number): string {
  if (blocks.length === 0) return '';
  if (blocks.length === 1) return String(blocks[0]);
  return blocks.length === ranks ? 'all' : `${blocks.length}×`;
}
