import type { ComputeEvent, MemoryEvent, WaitEvent } from '../../trace/traffic/ledger.ts';
import type { HeldBytes } from '../../trace/traffic/residency.ts';
import type { Pass } from '../../trace/traffic/schedule.ts';
import type { RankEvents, RankMessage, Snapshot } from './protocol.ts';

/** Keeps a rank's events and tells them in batches, so that a rank that is killed has told most of them. */
export class RankRecorder {
  private computes: Omit<ComputeEvent, 'run'>[] = [];
  private waits: Omit<WaitEvent, 'run'>[] = [];
  private held: Omit<MemoryEvent, 'run'>[] = [];
  /** Events are recorded only when it is on. */
  private repetition: number | undefined;

  constructor(
    private readonly rank: number,
    private readonly pass: Pass,
    private readonly epoch: bigint,
    private readonly tell: (message: RankMessage) => void,
  ) {}

  start(repetition: number): void {
    this.flush();
    this.repetition = repetition;
  }

  stop(): void {
    this.flush();
    this.repetition = undefined;
  }

  /** Nanoseconds since the epoch of the run. */
  now(): number {
    return Number(process.hrtime.bigint() - this.epoch);
  }

  compute(event: Omit<ComputeEvent, 'run' | 'layer' | 'pass' | 'rank'>): void {
    this.computes.push({ layer: 0, pass: this.pass, rank: this.rank, ...event });
    if (event.kind === 'attention' || event.kind === 'gradient') this.flush();
  }

  wait(event: Omit<WaitEvent, 'run' | 'rank'>): void {
    this.waits.push({ rank: this.rank, ...event });
  }

  memory(held: HeldBytes): void {
    this.held.push({ rank: this.rank, time: this.now(), ...held });
  }

  snapshot(snapshot: Snapshot): void {
    if (this.repetition !== undefined) this.tell({ type: 'snapshot', snapshot });
  }

  private flush(): void {
    const events: RankEvents = { computes: this.computes, waits: this.waits, memory: this.held };
    if (this.repetition !== undefined) this.tell({ type: 'events', repetition: this.repetition, events });
    this.computes = [];
    this.waits = [];
    this.held = [];
  }
}
