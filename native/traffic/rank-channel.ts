import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { FoveaError } from '../errors.ts';
import { type Bundle, sharedSlots } from './protocol.ts';

/** The run has ended elsewhere. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Longest sleep before the abort flag is looked at again; a wake-up normally comes first. */
const longestSleepMs = 50;

/** A rank's end of the links. Waiting blocks the thread, so that a stall is one interval and costs no processor time. */
export class RankChannel {
  private readonly arrived = new Map<string, Bundle>();

  constructor(
    private readonly port: MessagePort,
    private readonly rank: number,
    private readonly ranks: number,
    private readonly shared: Int32Array,
  ) {}

  send(bundle: Bundle): void {
    Atomics.add(this.shared, sharedSlots.pending, 1);
    this.port.postMessage(
      bundle,
      bundle.tensors.map(({ buffer }) => buffer),
    );
    Atomics.add(this.shared, sharedSlots.links, 1);
    Atomics.notify(this.shared, sharedSlots.links);
  }

  /**
   * Blocks until the bundle of this exchange is there.
   * @throws Interrupted; FoveaError `shape-mismatch` when it can never come
   */
  receive(source: number, exchange: number): Bundle {
    const key = `${source} ${exchange}`;
    const slot = sharedSlots.ranks + this.rank;
    for (let last = false; ;) {
      const seen = Atomics.load(this.shared, slot);
      this.drain();
      const bundle = this.arrived.get(key);
      if (bundle) {
        this.arrived.delete(key);
        return bundle;
      }
      this.throwIfAborted();
      if (last) throw neverSent(source, exchange);
      Atomics.wait(this.shared, slot, seen, longestSleepMs);
      last = !this.isRunning(source) && Atomics.load(this.shared, sharedSlots.pending) === 0;
    }
  }

  /** Waits for the other ranks, so that all start at once. @throws Interrupted */
  meetOthers(repetition: number): void {
    const everybody = this.ranks * (repetition + 1);
    Atomics.add(this.shared, sharedSlots.barrier, 1);
    Atomics.notify(this.shared, sharedSlots.barrier);
    for (;;) {
      const here = Atomics.load(this.shared, sharedSlots.barrier);
      if (here >= everybody) return;
      this.throwIfAborted();
      Atomics.wait(this.shared, sharedSlots.barrier, here, longestSleepMs);
    }
  }

  markRunning(running: boolean): void {
    Atomics.store(this.shared, sharedSlots.ranks + this.ranks + this.rank, running ? 1 : 0);
  }

  throwIfAborted(): void {
    if (Atomics.load(this.shared, sharedSlots.abort) !== 0) throw new Interrupted();
  }

  private isRunning(rank: number): boolean {
    return Atomics.load(this.shared, sharedSlots.ranks + this.ranks + rank) !== 0;
  }

  private drain(): void {
    for (let next = receiveMessageOnPort(this.port); next; next = receiveMessageOnPort(this.port)) {
      const bundle = next.message as Bundle;
      this.arrived.set(`${bundle.source} ${bundle.exchange}`, bundle);
    }
  }
}

function neverSent(source: number, exchange: number): FoveaError {
  return new FoveaError(
    'shape-mismatch',
    `Rank ${source} has ended without sending what this rank waits for (exchange ${exchange}).`,
    'The ranks were given different sizes. Start the run again with one schedule for all of them.',
  );
}
