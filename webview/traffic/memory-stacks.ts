/** What each rank held at its fullest moment, by kind. */
import { scaleLinear } from 'd3';
import type { MemoryEvent } from '../../trace/traffic/ledger.ts';
import { heldTotal, type HeldBytes } from '../../trace/traffic/residency.ts';
import { type TableData, tableColumn } from '../charts.ts';
import { element } from '../element.ts';
import { count } from '../format.ts';
import { hatchPattern, svgElement } from '../svg.ts';
import { bytes } from './quantity.ts';
import { label } from './rank-rows.ts';
import type { RunTraffic } from './run-traffic.ts';
import type { Focus } from './traffic-state.ts';

const kinds: readonly (readonly [key: keyof HeldBytes, name: string])[] = [
  ['keyValue', 'keys and values'],
  ['query', 'queries'],
  ['output', 'output'],
  ['statistics', 'log-sum-exp and sums'],
  ['gradient', 'gradients'],
  ['inFlight', 'in flight'],
  ['scratch', 'scores and scratch'],
];
const [left, right, bar, head, mostBars] = [34, 72, 12, 22, 16];

/** [ranks], the event at which a rank held most; undefined where nothing was recorded */
function fullest({ ledger, ranks }: RunTraffic): (MemoryEvent | undefined)[] {
  const most: (MemoryEvent | undefined)[] = Array.from({ length: ranks }, () => undefined);
  for (const event of ledger.memory) {
    const known = most[event.rank];
    if (event.rank < ranks && (!known || heldTotal(event) > heldTotal(known))) most[event.rank] = event;
  }
  return most;
}

export class MemoryStacks {
  readonly body = svgElement('svg', { tabindex: 0, role: 'img', 'data-testid': 'memory-stacks' });
  private readonly note = element('small');
  private readonly legend = element('div', { class: 'lane-legend small dim' });
  readonly element = element(
    'section',
    { class: 'detail memory' },
    element('h2', {}, 'Memory of each rank at its fullest'),
    this.note,
    this.legend,
    this.body,
  );
  private runs: readonly RunTraffic[] = [];

  draw(runs: readonly RunTraffic[], { rank }: Focus, width: number): void {
    this.runs = runs;
    const all = runs.map(run => ({ run, most: fullest(run) }));
    const found = all.flatMap(({ most }) => most.flatMap(event => event ?? []));
    this.note.textContent = `bytes that the run holds, not the process; ${runs[0]?.run.memory.method ?? ''}`;
    const used = kinds.filter(([key]) => found.some(event => event[key] > 0));
    this.legend.replaceChildren(
      ...used.map(([key, name]) =>
        element(
          'span',
          { class: 'sample' },
          svgElement(
            'svg',
            { width: 14, height: 11, 'aria-hidden': 'true' },
            patterns('legend'),
            part(key, 0, 0, 14, 'legend'),
          ),
          name,
        ),
      ),
    );
    const largest = Math.max(1, ...found.map(heldTotal), ...runs.map(({ run }) => run.predicted?.peakMemory ?? 0));
    const x = scaleLinear([0, largest], [left, width - right]);
    const drawn: SVGElement[] = [patterns('memory')];
    let y = 0;
    for (const { run, most } of all) {
      drawn.push(label(left, y + 14, run.title, 'strong'));
      const predicted = run.run.predicted?.peakMemory;
      const top = y + head;
      most.slice(0, mostBars).forEach((event, each) => {
        const place = top + each * (bar + 3);
        drawn.push(label(left - 6, place + 10, `r ${each}`, each === rank ? 'strong' : 'dim', 'end'));
        if (!event) return;
        let at = left;
        for (const [key] of kinds) {
          const length = x(event[key]) - left;
          if (length <= 0) continue;
          drawn.push(part(key, at, place, Math.max(0.5, length - 1), 'memory'));
          at += length;
        }
        drawn.push(label(at + 4, place + 10, bytes(heldTotal(event)), 'plain'));
      });
      const rows = Math.min(mostBars, most.length);
      if (predicted !== undefined) {
        drawn.push(
          svgElement('line', {
            class: 'predicted',
            x1: x(predicted),
            x2: x(predicted),
            y1: top - 2,
            y2: top + rows * (bar + 3),
          }),
        );
        drawn.push(label(width - 4, y + 14, `predicted ${bytes(predicted)} (dashed)`, 'predicted-text', 'end'));
      }
      y = top + rows * (bar + 3) + 8;
      if (most.length > mostBars) {
        drawn.push(label(left, y + 4, `and ${most.length - mostBars} more ranks in the table (t)`, 'dim'));
        y += 14;
      }
    }
    for (const [name, value] of Object.entries({ width, height: y, viewBox: `0 0 ${width} ${y}` }))
      this.body.setAttribute(name, String(value));
    this.body.replaceChildren(...drawn);
    const peak = found.reduce<MemoryEvent | undefined>(
      (best, event) => (!best || heldTotal(event) > heldTotal(best) ? event : best),
      undefined,
    );
    this.body.setAttribute(
      'aria-label',
      `Memory per rank at its fullest moment${peak ? `, at most ${bytes(heldTotal(peak))} on rank ${peak.rank}` : ': nothing was recorded'}.`,
    );
  }

  data(): TableData {
    return {
      caption: 'Bytes per rank at its fullest moment',
      columns: [
        tableColumn('run', false),
        tableColumn('rank'),
        ...kinds.map(([, name]) => tableColumn(name)),
        tableColumn('sum'),
      ],
      rows: this.runs.flatMap(run =>
        fullest(run).flatMap((event, rank) =>
          event ? [[run.title, String(rank), ...kinds.map(([key]) => count(event[key])), count(heldTotal(event))]] : [],
        ),
      ),
    };
  }
}

function part(key: keyof HeldBytes, x: number, y: number, width: number, prefix: string): SVGElement {
  const hatched = key === 'output' || key === 'inFlight' || key === 'gradient';
  return svgElement('rect', {
    class: `memory-${key}`,
    x,
    y: y + 0.5,
    width,
    height: bar - 1,
    ...(hatched ? { fill: `url(#${prefix}-${key})` } : {}),
  });
}

function patterns(prefix: string): SVGElement {
  const back = hatchPattern(`${prefix}-inFlight`, 4);
  back.setAttribute('patternTransform', 'rotate(-45)');
  const upright = hatchPattern(`${prefix}-gradient`, 3);
  upright.setAttribute('patternTransform', 'rotate(0)');
  return svgElement('defs', { class: 'memory-hatch' }, hatchPattern(`${prefix}-output`, 4), back, upright);
}
