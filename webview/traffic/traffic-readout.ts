/** Everything about the cell in focus, as text. */
import type { TrafficWorkload } from '../../trace/traffic/metadata.ts';
import type { TransferEvent } from '../../trace/traffic/ledger.ts';
import { overlapLength, type Interval } from '../../trace/traffic/intervals.ts';
import { element } from '../element.ts';
import { count, share } from '../format.ts';
import { tokensOf } from './block-strip.ts';
import { keysWords } from './key-place.ts';
import { strongest } from './origin-view.ts';
import { time } from './quantity.ts';
import { movingWords } from './run-traffic.ts';
import type { Focus } from './traffic-state.ts';
import type { WorkloadPictures } from './workload-pictures.ts';

type Row = readonly [name: string, value: string];

export class TrafficReadout {
  readonly element = element('aside', {
    class: 'traffic-readout',
    role: 'status',
    'aria-live': 'off',
    'data-testid': 'traffic-readout',
  });

  constructor(
    private readonly workload: TrafficWorkload,
    private readonly pictures: WorkloadPictures,
  ) {}

  draw(focus: Focus): void {
    const { run, rank, round } = focus;
    const rows = this.rows(focus).map(([name, value]) =>
      element('tr', {}, element('th', { scope: 'row' }, name), element('td', {}, value)),
    );
    this.element.replaceChildren(
      element(
        'h2',
        {},
        `Rank ${rank}, ${round < run.rounds ? `round ${round}` : 'home'}`,
        element('small', {}, ` ${run.title}: ${this.holds(focus)}`),
      ),
      element('table', {}, element('tbody', {}, ...rows)),
    );
  }

  /** One line, for screen readers and the status bar. */
  spoken(focus: Focus): string {
    const { run, rank, round } = focus;
    return `${run.title}: rank ${rank}, ${round < run.rounds ? `round ${round}` : 'home'}, ${this.holds(focus)}`;
  }

  private holds({ run, rank, round, owner }: Focus): string {
    if (round >= run.rounds) return `everything is home; block ${rank} is its own`;
    const blocks = run.held[rank]?.[round] ?? [];
    if (blocks.length === 0)
      return run.run.status.state === 'partial' ? 'did not get this far' : 'computes nothing in this round';
    const { block } = movingWords(run.moving);
    if (blocks.length > 1) return `works on ${blocks.length === run.ranks ? 'all' : blocks.length} blocks at once`;
    return `holds ${block} ${blocks[0]}${owner === rank ? ', its own' : `, owner rank ${owner}`}`;
  }

  private rows(focus: Focus): Row[] {
    const { run, rank, round, owner } = focus;
    const { shape, sharding } = this.workload;
    const words = tokensOf(this.workload, owner);
    const attention = this.pictures.attention(owner);
    const looks = attention ? strongest(attention, this.pictures) : [];
    const queries = `${count(sharding.queryRows[owner] ?? 0)} queries × ${shape.queryHeads} heads × ${shape.headSize}`;
    const computes = run.ledger.computes.filter(each => each.rank === rank && each.round === round);
    const work = computes.filter(({ kind }) => kind === 'attention' || kind === 'gradient');
    const sends = run.ledger.transfers.filter(each => each.source === rank && each.round === round);
    const arrives = run.ledger.transfers.filter(each => each.destination === rank && each.round === round);
    const waits = run.ledger.waits.filter(each => each.rank === rank && each.round === round);
    const busy = run.ledger.computes
      .filter(each => each.rank === rank && Number.isFinite(each.ended))
      .map((each): Interval => [each.started, each.ended]);
    return [
      [`block ${owner}`, words === undefined || words === '' ? queries : `“${words}”, ${queries}`],
      ...(looks.length > 0 ? [['block looks at', looks.join('; ')] as const] : []),
      ['keys here', keysWords(this.workload, rank)],
      ...(work.length > 0 ? [[work[0]!.kind, took(work)] as const] : []),
      ...(work.some(({ skipped }) => skipped)
        ? [['masked', 'no query sees these keys: nothing was computed'] as const]
        : []),
      ...groups(sends, 'destination').map(([to, events]): Row => [`sends to rank ${to}`, sent(events)]),
      ...(sends.length > 0 ? [['hidden behind compute', hidden(sends, busy)] as const] : []),
      ...(sends.length === 0 && arrives.length === 0 && round < run.rounds
        ? [['sends', 'nothing in this round'] as const]
        : []),
      ...groups(arrives, 'source').map(([from, events]): Row => [`gets from rank ${from}`, sent(events)]),
      ...(waits.length > 0
        ? [
            [
              'stalled',
              `${took(waits)}, for ${[...new Set(waits.map(({ kind, owner: of }) => `${kind} of ${of}`))].join(', ')}`,
            ] as const,
          ]
        : []),
    ];
  }
}

function took(events: readonly { readonly started: number; readonly ended: number }[]): string {
  return time(events.reduce((sum, { started, ended }) => sum + (Number.isFinite(ended) ? ended - started : 0), 0));
}

function groups(
  events: readonly TransferEvent[],
  by: 'source' | 'destination',
): [rank: number, events: TransferEvent[]][] {
  const found = new Map<number, TransferEvent[]>();
  for (const event of events) found.set(event[by], [...(found.get(event[by]) ?? []), event]);
  return [...found].slice(0, 4);
}

/** "Q 7 680 B in 22.5 µs, O and L 7 800 B in 22.6 µs" */
function sent(events: readonly TransferEvent[]): string {
  return events
    .map(
      ({ kind, bytes, started, ended }) =>
        `${kind} ${count(bytes)} B ${Number.isFinite(ended) ? `in ${time(ended - started)}` : 'not delivered'}`,
    )
    .join(', ');
}

function hidden(events: readonly TransferEvent[], busy: readonly Interval[]): string {
  const spans = events
    .filter(({ ended }) => Number.isFinite(ended))
    .map(({ started, ended }): Interval => [started, ended]);
  const whole = overlapLength(spans, spans);
  return whole === 0 ? '–' : share(overlapLength(spans, busy) / whole);
}
