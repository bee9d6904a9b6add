import { emptyLedger, type Ledger, type TransferEvent } from '../../trace/traffic/ledger.ts';
import type { RankEvents } from './protocol.ts';

interface Repetition {
  readonly transfers: Omit<TransferEvent, 'run'>[];
  readonly events: RankEvents[];
  /** Nanoseconds since the epoch. */
  readonly started: number[];
  readonly ended: number[];
}

/** Sorts what the threads tell by repetition, and makes a ledger of one of them. */
export class EventCollector {
  private readonly repetitions = new Map<number, Repetition>();

  addTransfers(repetition: number, transfers: readonly Omit<TransferEvent, 'run'>[]): void {
    const known = this.of(repetition).transfers;
    for (const transfer of transfers) known.push(transfer);
  }

  addEvents(repetition: number, events: RankEvents): void {
    this.of(repetition).events.push(events);
  }

  addFinish(repetition: number, started: number, ended: number): void {
    this.of(repetition).started.push(started);
    this.of(repetition).ended.push(ended);
  }

  /**
   * @param repeats timed repetitions 1 ... repeats, whose median is chosen; undefined when the run broke off: then the
   *   last one that anything is known of
   */
  choose(repeats: number | undefined): { readonly ledger: Ledger; readonly totals: number[] } {
    if (repeats === undefined) {
      const last = Math.max(...[...this.repetitions.keys()].filter(repetition => repetition >= 0));
      return { ledger: this.ledgerOf(last), totals: [] };
    }
    const timed = Array.from({ length: repeats }, (_, index) => index + 1);
    const seconds = timed.map(repetition => this.total(repetition));
    const order = timed.toSorted((a, b) => this.total(a) - this.total(b));
    const median = order[Math.floor((order.length - 1) / 2)] ?? 0;
    return { ledger: this.ledgerOf(median), totals: seconds };
  }

  /** Seconds from the common start until the last rank was done. */
  private total(repetition: number): number {
    const { started, ended } = this.of(repetition);
    return (Math.max(...ended) - Math.min(...started)) / 1e9;
  }

  private ledgerOf(repetition: number): Ledger {
    const known = this.repetitions.get(repetition);
    if (!known) return emptyLedger;
    const computes = known.events.flatMap(events => events.computes);
    const waits = known.events.flatMap(events => events.waits);
    const memory = known.events.flatMap(events => events.memory);
    const zero = Math.min(
      ...known.started,
      ...computes.map(({ started }) => started),
      ...known.transfers.map(({ posted }) => posted),
    );
    const shift = <Event extends { readonly started: number; readonly ended: number }>(
      event: Event,
    ): Event & { run: number } => {
      return { run: 0, ...event, started: event.started - zero, ended: event.ended - zero };
    };
    return {
      transfers: known.transfers
        .toSorted((a, b) => a.posted - b.posted)
        .map(event => ({ ...shift(event), posted: event.posted - zero })),
      computes: computes.map(shift),
      waits: waits.map(shift),
      memory: memory.map(event => ({ run: 0, ...event, time: event.time - zero })),
      agreement: [],
    };
  }

  private of(repetition: number): Repetition {
    const known = this.repetitions.get(repetition) ?? { transfers: [], events: [], started: [], ended: [] };
    this.repetitions.set(repetition, known);
    return known;
  }
}
