/** What every rank does when: compute, below it what it sends and receives, and when it waits. */
import { scaleLinear } from 'd3';
import { type TableData, tableColumn } from '../charts.ts';
import { element } from '../element.ts';
import { count } from '../format.ts';
import { hatchPattern, svgElement } from '../svg.ts';
import { Once } from './once.ts';
import { seconds, time } from './quantity.ts';
import { gutter, headHeight, label, rankClass, type RankRows, shownLanes } from './rank-rows.ts';
import { blockOf, type RunTraffic } from './run-traffic.ts';
import type { Focus, Pointed } from './traffic-state.ts';

export interface LaneSpace {
  readonly width: number;
  /** End of the time axis, nanoseconds. */
  readonly end: number;
  readonly narrow: boolean;
}

const least = 20;
const numbersWidth = 118;
const axisHeight = 22;

export class SwimLanes {
  readonly body = svgElement('svg', { tabindex: 0, role: 'img', 'data-testid': 'swim-lanes' });
  readonly element = element('div', { class: 'rank-chart lanes' }, this.body);
  private readonly cells = svgElement('g');
  private readonly marks = svgElement('g', { class: 'marks' });
  private lanes: readonly number[] = [];
  private x = scaleLinear();
  private readonly drawn = new Once();
  private readonly row: number;
  private readonly hatch: string;

  constructor(
    private readonly run: RunTraffic,
    rows: RankRows,
    point: (pointed: Pointed, click: boolean) => void,
  ) {
    this.row = Math.max(least, rows.cell);
    this.hatch = `stall-${run.index}`;
    this.body.append(svgElement('defs', { class: 'stall-hatch' }, hatchPattern(this.hatch, 5)), this.cells, this.marks);
    const report = (event: MouseEvent, click: boolean): void => {
      const at = this.at(event);
      if (at) point({ run: run.index, ...at }, click);
      else if (!click) point({}, false);
    };
    this.body.addEventListener('pointermove', event => {
      report(event, false);
    });
    this.body.addEventListener('click', event => {
      report(event, true);
    });
  }

  draw({ rank }: Focus, space: LaneSpace): void {
    const { run, row } = this;
    this.lanes = shownLanes(run.ranks, rank, space.narrow);
    if (!this.drawn.isNew(space.width, space.end, this.lanes.join())) return;
    const right = Math.max(gutter + 120, space.width - numbersWidth);
    const height = headHeight + this.lanes.length * row + axisHeight;
    this.x = scaleLinear([0, Math.max(1, space.end)], [gutter, right]);
    for (const [name, value] of Object.entries({ width: space.width, height, viewBox: `0 0 ${space.width} ${height}` }))
      this.body.setAttribute(name, String(value));
    const bottom = headHeight + this.lanes.length * row;
    this.cells.replaceChildren(
      this.outcome(),
      label(right + 62, headHeight - 5, 'hidden', 'dim', 'end'),
      label(right + numbersWidth - 2, headHeight - 5, 'exposed', 'dim', 'end'),
      ...this.lanes.flatMap((each, place) => this.lane(each, headHeight + place * row, right)),
      ...this.axis(bottom, right),
      ...this.ends(bottom, right),
    );
    this.body.setAttribute('aria-label', this.words());
  }

  mark({ rank, round, owner, run: focused }: Focus): void {
    const { run, row } = this;
    const marks: SVGElement[] = [];
    for (const event of run.ledger.computes) {
      const place = this.lanes.indexOf(event.rank);
      if (place < 0 || !Number.isFinite(event.ended) || event.kind === 'merge') continue;
      const [x, width] = this.span(event.started, event.ended);
      const y = headHeight + place * row;
      const same = blockOf(event, run.moving) === owner;
      if (same) marks.push(svgElement('rect', { class: 'same-owner', x, y: y + 1.5, width, height: row / 2 - 0.5 }));
      if (focused === run && event.rank === rank && event.round === round)
        marks.push(
          svgElement('rect', { class: 'lock-frame', x: x - 1, y: y + 0.5, width: width + 2, height: row / 2 + 1.5 }),
        );
    }
    this.marks.replaceChildren(...marks);
  }

  data(): TableData {
    const { ledger, title } = this.run;
    const rows = [
      ...ledger.computes.map(event => ({
        at: event.started,
        end: event.ended,
        rank: event.rank,
        what: `${event.kind}${event.owner >= 0 ? ` of block ${event.owner}` : ''}${event.keyOwner >= 0 ? `, keys of rank ${event.keyOwner}` : ''}`,
        round: event.round,
        bytes: '',
      })),
      ...ledger.waits.map(event => ({
        at: event.started,
        end: event.ended,
        rank: event.rank,
        what: `waits for ${event.kind} of rank ${event.owner}`,
        round: event.round,
        bytes: '',
      })),
      ...ledger.transfers.map(event => ({
        at: event.started,
        end: event.ended,
        rank: event.source,
        what: `sends ${event.kind} of rank ${event.owner} to rank ${event.destination}`,
        round: event.round,
        bytes: count(event.bytes),
      })),
    ];
    return {
      caption: `Events of ${title}, by round and time${this.run.run.links.simulated ? '; links are simulated' : ''}`,
      columns: [
        tableColumn('round'),
        tableColumn('rank'),
        tableColumn('what', false),
        tableColumn('bytes'),
        tableColumn('from'),
        tableColumn('took'),
      ],
      rows: rows
        .sort((a, b) => a.round - b.round || a.rank - b.rank || a.at - b.at)
        .map(each => [
          String(each.round),
          String(each.rank),
          each.what,
          each.bytes,
          time(each.at),
          time(each.end - each.at),
        ]),
    };
  }

  private words(): string {
    const { run, lanes } = this;
    const { communication, exposed, stall } = run.times;
    const worst = exposed.reduce((best, value, rank) => (value > exposed[best]! ? rank : best), 0);
    const links = run.run.links.simulated ? ', links simulated' : '';
    return (
      `Compute, send, receive and stall of ${lanes.length} of ${run.ranks} ranks over ${time(run.end)}, ${run.title}${links}. ` +
      `Rank ${worst} has most exposed communication: ${seconds(exposed[worst] ?? 0)} of ${seconds(communication[worst] ?? 0)}, stalled ${seconds(stall[worst] ?? 0)}.`
    );
  }

  private span(start: number, end: number): [x: number, width: number] {
    const x = this.x(start);
    return [x, Math.max(0.8, this.x(end) - x)];
  }

  private lane(rank: number, y: number, right: number): SVGElement[] {
    const { run, row } = this;
    const { ledger, times } = run;
    const [tall, thin] = [row / 2 - 1, Math.max(3, row / 7)];
    const drawn: SVGElement[] = [label(gutter - 6, y + row / 2 + 2, `r ${rank}`, 'dim', 'end')];
    for (const event of ledger.computes) {
      if (event.rank !== rank || !Number.isFinite(event.ended)) continue;
      const [x, width] = this.span(event.started, event.ended);
      const block = blockOf(event, run.moving);
      const work = event.kind === 'attention' || event.kind === 'gradient';
      const kind = !work ? 'merge' : block < 0 ? 'several' : rankClass(block);
      drawn.push(svgElement('rect', { class: `compute ${kind}`, x, y: y + 2, width, height: tall }));
      if (work && block >= 0 && width >= 16)
        drawn.push(label(x + width / 2, y + 2 + tall / 2 + 3.5, String(block), 'lane-number on-rank', 'middle'));
    }
    for (const event of ledger.waits) {
      if (event.rank !== rank || !Number.isFinite(event.ended)) continue;
      const [x, width] = this.span(event.started, event.ended);
      if (width > 1.5)
        drawn.push(
          svgElement('rect', { class: 'stall', fill: `url(#${this.hatch})`, x, y: y + 2.5, width, height: tall - 1 }),
        );
    }
    for (const event of ledger.transfers) {
      if (event.source !== rank && event.destination !== rank) continue;
      const end = Number.isFinite(event.ended) ? event.ended : run.end;
      const [x, width] = this.span(event.started, end);
      const lost = Number.isFinite(event.ended) ? '' : ' lost';
      if (event.source === rank)
        drawn.push(
          svgElement('rect', {
            class: `send ${rankClass(event.owner)}${lost}`,
            x,
            y: y + tall + 3,
            width,
            height: thin,
          }),
        );
      if (event.destination === rank)
        drawn.push(
          svgElement('rect', {
            class: `receive ${rankClass(event.owner)}${lost}`,
            x,
            y: y + tall + 4 + thin,
            width,
            height: thin,
          }),
        );
    }
    const [communication, exposed] = [times.communication[rank] ?? 0, times.exposed[rank] ?? 0];
    drawn.push(
      svgElement('line', { class: 'lane-rule', x1: gutter, x2: right, y1: y + row - 0.5, y2: y + row - 0.5 }),
      label(right + 62, y + row / 2 + 3, seconds(Math.max(0, communication - exposed)), 'plain', 'end'),
      label(right + numbersWidth - 2, y + row / 2 + 3, seconds(exposed), exposed > 0 ? 'plain' : 'dim', 'end'),
    );
    return drawn;
  }

  private axis(bottom: number, right: number): SVGElement[] {
    const ticks = this.x.ticks(Math.max(2, Math.floor((right - gutter) / 72)));
    return ticks.flatMap((at, index) => [
      svgElement('line', { class: 'axis-tick', x1: this.x(at), x2: this.x(at), y1: bottom, y2: bottom + 4 }),
      label(this.x(at), bottom + 16, index === 0 ? '0' : time(at), 'dim', this.x(at) > right - 16 ? 'end' : 'middle'),
    ]);
  }

  /** When the run was done, when it was predicted to be, or why its ledger breaks off. */
  private outcome(): SVGTextElement {
    const { status, predicted, links } = this.run.run;
    const part = (kind: string, text: string): SVGTSpanElement => svgElement('tspan', { class: kind }, text);
    const folded = this.lanes.length < this.run.ranks ? `, ranks ${this.lanes.join(', ')} of ${this.run.ranks}` : '';
    const done =
      status.state === 'complete'
        ? part('strong', `done, ${seconds(this.run.times.total)}${links.simulated ? ', simulated links' : ' measured'}`)
        : part('torn-text', `broke off after ${time(this.run.end)}: ${status.cause.message}`);
    const expected = predicted ? ` · predicted ${seconds(predicted.total)} (dashed)` : '';
    return svgElement('text', { x: gutter, y: 12 }, done, part('dim', `${expected}${folded}`));
  }

  private ends(bottom: number, right: number): SVGElement[] {
    const { run, row } = this;
    const { status, predicted } = run.run;
    const lines: SVGElement[] = [];
    const across = (at: number, kind: string): void => {
      const x = this.x(at);
      if (x <= right + 1)
        lines.push(svgElement('line', { class: kind, x1: x, x2: x, y1: headHeight - 4, y2: bottom + 4 }));
    };
    if (predicted) across(predicted.total * 1e9, 'predicted');
    if (status.state === 'complete') {
      across(run.times.total * 1e9, 'done');
      return lines;
    }
    for (const [place, rank] of this.lanes.entries()) {
      const events = [...run.ledger.computes, ...run.ledger.waits].filter(event => event.rank === rank);
      const last = Math.max(0, ...events.map(({ ended, started }) => (Number.isFinite(ended) ? ended : started)));
      const [y1, y2] = [headHeight + place * row, headHeight + (place + 1) * row];
      lines.push(svgElement('line', { class: 'torn', x1: this.x(last), x2: this.x(last), y1, y2 }));
    }
    return lines;
  }

  private at(event: MouseEvent): Pick<Pointed, 'rank' | 'round'> | undefined {
    const box = this.body.getBoundingClientRect();
    const rank = this.lanes[Math.floor((event.clientY - box.y - headHeight) / this.row)];
    if (rank === undefined || event.clientY - box.y < headHeight) return undefined;
    const moment = this.x.invert(event.clientX - box.x);
    const [nearest] = this.run.ledger.computes
      .filter(each => each.rank === rank && Number.isFinite(each.ended) && each.kind !== 'merge')
      .sort((a, b) => distance(moment, a) - distance(moment, b));
    return { rank, ...(nearest ? { round: nearest.round } : {}) };
  }
}

const distance = (at: number, { started, ended }: { readonly started: number; readonly ended: number }): number =>
  at < started ? started - at : at > ended ? at - ended : 0;

/** What the marks of a lane mean, once for all runs. */
export function laneLegend(simulated: boolean): HTMLElement {
  const sample = (kind: string, text: string): HTMLElement => {
    const picture = svgElement('svg', { width: 26, height: 11, 'aria-hidden': 'true' });
    if (kind === 'stall') picture.append(svgElement('defs', { class: 'stall-hatch' }, hatchPattern('stall-legend', 5)));
    if (kind === 'send')
      picture.append(
        svgElement('rect', { class: 'send rank-2', y: 1, width: 26, height: 3.5 }),
        svgElement('rect', { class: 'receive rank-2', y: 6, width: 26, height: 3.5 }),
      );
    else
      picture.append(
        svgElement('rect', {
          class: kind,
          width: kind.includes('merge') ? 3 : 26,
          height: 11,
          ...(kind === 'stall' ? { fill: 'url(#stall-legend)' } : {}),
        }),
      );
    return element('span', { class: 'sample' }, picture, text);
  };
  return element(
    'div',
    { class: 'lane-legend small dim' },
    sample('compute rank-2', 'attention on a block'),
    sample('compute merge', 'merge'),
    sample('stall', 'stall: waits for a transfer'),
    sample('send', `send, receive${simulated ? ' (simulated links)' : ''}`),
    element('span', {}, `hidden, exposed: communication beside and outside of compute, per rank`),
  );
}
