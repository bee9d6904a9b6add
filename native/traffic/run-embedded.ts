/** Runs a schedule on ranks that are threads of this process, with ONNX Runtime for the blocks and messages between them. */
import { MessageChannel, type Transferable, type Worker } from 'node:worker_threads';
import type { Ledger } from '../../trace/traffic/ledger.ts';
import type { RunState } from '../../trace/traffic/metadata.ts';
import type { Schedule } from '../../trace/traffic/schedule.ts';
import { buildSchedule } from '../../trace/traffic/schedules/build-schedule.ts';
import type { Sizes } from '../../trace/traffic/sizes.ts';
import { defaultThreads } from '../engine/processor-cores.ts';
import { EventCollector } from './event-collector.ts';
import {
  type DriverMessage,
  type EmulatedLink,
  type LinksMessage,
  type LinksSetup,
  type RankInputs,
  type RankMessage,
  type RankResults,
  type RankSetup,
  sharedSlots,
  type Snapshot,
  type ThreadFailure,
} from './protocol.ts';
import { endThreads, startThread, type ThreadStarter } from './threads.ts';

export interface EmbeddedRequest {
  readonly schedule: Schedule;
  /** Per rank; copied. */
  readonly inputs: readonly RankInputs[];
  readonly visible?: Int32Array | undefined;
  readonly link?: EmulatedLink | undefined;
  /** Timed runs; one more before them is checked and warms everything up. */
  readonly repeats: number;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((done: number, total: number) => void) | undefined;
  readonly start?: ThreadStarter;
  /** Runs out when no rank reports for a while; begun anew with each that does. */
  readonly patience?: (over: () => void) => Patience;
}

export interface Patience {
  refresh(): void;
  end(): void;
}

export interface EmbeddedOutcome {
  readonly status: RunState;
  /** Of the median run, or of the one that broke off. */
  readonly ledger: Ledger;
  /** Seconds of every timed run. */
  readonly totals: readonly number[];
  /** Per rank, of the checked run; empty when it did not end. */
  readonly results: readonly RankResults[];
  readonly snapshots: readonly Snapshot[];
  readonly threadsPerRank: number;
}

const startPatienceMs = 20_000;
const endPatienceMs = 1500;

function startPatience(over: () => void): Patience {
  const timeout = setTimeout(over, startPatienceMs);
  return {
    refresh: () => {
      timeout.refresh();
    },
    end: () => {
      clearTimeout(timeout);
    },
  };
}

/** Never rejects for what happens on a rank: the outcome says it, and keeps the events until then. */
export async function runEmbedded(request: EmbeddedRequest): Promise<EmbeddedOutcome> {
  const run = new EmbeddedRun(request);
  return run.finish();
}

class EmbeddedRun {
  private readonly threads: Worker[] = [];
  private readonly shared: Int32Array;
  private readonly epoch = process.hrtime.bigint();
  private readonly ranks: number;
  private readonly threadsPerRank: number;
  private readonly collector = new EventCollector();
  private readonly results: RankResults[] = [];
  private readonly snapshots: Snapshot[] = [];
  private readonly waiting = new Set<number>();
  private notify: () => void = () => undefined;
  private failure: (ThreadFailure & { readonly rank?: number }) | undefined;
  private patience: Patience | undefined;
  private ending = false;

  constructor(private readonly request: EmbeddedRequest) {
    this.ranks = request.schedule.ranks;
    this.threadsPerRank = Math.max(1, Math.floor(defaultThreads() / this.ranks));
    this.shared = new Int32Array(new SharedArrayBuffer(4 * (sharedSlots.ranks + 2 * this.ranks)));
  }

  async finish(): Promise<EmbeddedOutcome> {
    const { signal, repeats, progress } = this.request;
    const cancel = (): void => {
      this.fail({ code: 'cancelled', message: 'The run was cancelled.', hint: 'Run it again when you like.' });
    };
    signal?.addEventListener('abort', cancel, { once: true });
    if (signal?.aborted) cancel();
    try {
      await this.startAll();
      for (let repetition = 0; repetition <= repeats && !this.failure; repetition++) {
        progress?.(repetition, repeats + 1);
        this.tellRanks({ type: 'go', repetition, checked: repetition === 0 });
        await this.untilAllReport();
      }
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.fail({ code: 'internal', message, hint: 'This should not happen; please report it.' });
    } finally {
      signal?.removeEventListener('abort', cancel);
      await this.endAll();
    }
    return this.outcome();
  }

  private outcome(): EmbeddedOutcome {
    const { repeats } = this.request;
    const { ledger, totals } = this.collector.choose(this.failure ? undefined : repeats);
    const { failure } = this;
    const status: RunState = failure ? { state: 'partial', cause: failure } : { state: 'complete' };
    const complete = this.results.length === this.ranks && !this.results.includes(undefined as unknown as RankResults);
    return {
      status,
      ledger,
      totals,
      results: complete ? this.results : [],
      snapshots: this.snapshots,
      threadsPerRank: this.threadsPerRank,
    };
  }

  private async startAll(): Promise<void> {
    const { start = startThread, patience = startPatience } = this.request;
    const channels = Array.from({ length: this.ranks }, () => new MessageChannel());
    const links: LinksSetup = {
      role: 'links',
      ranks: this.ranks,
      shared: this.shared,
      epoch: this.epoch,
      link: this.request.link,
      ports: channels.map(({ port1 }) => port1),
    };
    this.watch(
      start(
        links,
        channels.map(({ port1 }) => port1),
      ),
      -1,
    );
    for (let rank = 0; rank < this.ranks; rank++) {
      const [setup, transfer] = this.setupOf(rank, channels[rank]!);
      this.watch(start(setup, transfer), rank);
    }
    this.patience = patience(() => {
      this.giveUp();
    });
    this.waiting.add(-1);
    await this.untilAllReport();
    this.patience.end();
    this.patience = undefined;
  }

  /** Counted from the last sign of any of them: a busy machine starts threads one after the other. */
  private giveUp(): void {
    const silent = [...this.waiting].toSorted((a, b) => a - b);
    const names = silent.map(rank => (rank < 0 ? 'the links' : `rank ${rank}`)).join(', ');
    this.fail({
      code: 'rank-failed',
      message: `For ${startPatienceMs / 1000} s there has been no sign of ${names}.`,
      hint: 'The machine may be too busy or short of memory. Try fewer ranks.',
      ...(silent[0]! >= 0 && { rank: silent[0]! }),
    });
  }

  private setupOf(rank: number, { port2 }: MessageChannel): [RankSetup, Transferable[]] {
    const { schedule, inputs, visible } = this.request;
    const { pass, algorithm, shape, sharding, wire } = schedule;
    const sizes: Sizes = { shape, sharding, wire };
    const own = inputs[rank]!;
    const copies: RankInputs = {
      Q: own.Q.slice(),
      K: own.K.slice(),
      V: own.V.slice(),
      ...(own.dO && { dO: own.dO.slice() }),
    };
    const setup: RankSetup = {
      role: 'rank',
      rank,
      sizes,
      shared: this.shared,
      epoch: this.epoch,
      port: port2,
      threads: this.threadsPerRank,
      preparation: pass === 'backward' ? buildSchedule(algorithm, 'forward', sizes).programs[rank] : undefined,
      program: schedule.programs[rank]!,
      pass,
      inputs: copies,
      visible,
      snapshots: pass === 'forward' && (algorithm === 'lv-xattn' || algorithm === 'ring'),
      keepBlocks: pass === 'backward' && algorithm === 'ulysses',
    };
    return [setup, [port2, ...Object.values(copies).map(({ buffer }: Float32Array) => buffer as ArrayBuffer)]];
  }

  /** @param rank -1 for the links */
  private watch(thread: Worker, rank: number): void {
    this.threads.push(thread);
    const name = rank < 0 ? 'The links' : `Rank ${rank}`;
    const at = rank < 0 ? {} : { rank };
    thread.on('message', (message: RankMessage | LinksMessage) => {
      this.receive(message, rank);
    });
    thread.on('error', (error: Error & { code?: string }) => {
      const memory = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
      this.fail({
        code: memory ? 'out-of-memory' : 'rank-failed',
        message: memory ? `${name} ran out of memory.` : `${name} failed: ${error.message}`,
        hint: memory ? 'Choose smaller sizes or fewer ranks.' : 'Run it again; if it fails again, please report it.',
        ...at,
      });
    });
    thread.on('exit', status => {
      if (this.ending) return;
      this.fail({
        code: 'rank-failed',
        message: `${name} ended in the middle of the run (status ${status}).`,
        hint: 'What was recorded until then is kept. Run it again; with too little memory, choose smaller sizes.',
        ...at,
      });
    });
  }

  private receive(message: RankMessage | LinksMessage, rank: number): void {
    switch (message.type) {
      case 'ready':
        this.report(rank);
        return;
      case 'transfers':
        this.collector.addTransfers(message.repetition, message.transfers);
        return;
      case 'events':
        this.collector.addEvents(message.repetition, message.events);
        return;
      case 'snapshot':
        this.snapshots.push(message.snapshot);
        return;
      case 'finished':
        this.collector.addFinish(message.repetition, message.started, message.ended);
        if (message.repetition === 0) this.results[rank] = message.results;
        this.report(rank);
        return;
      case 'failed':
        this.fail({
          ...message.failure,
          message: `${rank < 0 ? 'The links' : `Rank ${rank}`}: ${message.failure.message}`,
          ...(rank >= 0 && { rank }),
        });
        return;
      case 'interrupted':
      case 'stopped':
        return;
    }
  }

  private report(rank: number): void {
    this.waiting.delete(rank);
    this.patience?.refresh();
    if (this.waiting.size === 0) this.notify();
  }

  private untilAllReport(): Promise<void> {
    for (let rank = 0; rank < this.ranks; rank++) this.waiting.add(rank);
    return new Promise(resolve => {
      this.notify = resolve;
      if (this.failure) resolve();
    });
  }

  private tellRanks(message: DriverMessage): void {
    for (const thread of this.threads.slice(1)) thread.postMessage(message);
  }

  /** The first failure counts: others follow from it. */
  private fail(failure: ThreadFailure & { readonly rank?: number }): void {
    if (this.ending) return;
    this.failure ??= failure;
    this.abort();
    this.notify();
  }

  private abort(): void {
    Atomics.store(this.shared, sharedSlots.abort, 1);
    for (let slot = 0; slot < this.shared.length; slot++) Atomics.notify(this.shared, slot);
  }

  /** Ranks that still run see the flag at their next step and tell what they have; the others end when told. */
  private async endAll(): Promise<void> {
    this.ending = true;
    this.abort();
    this.tellRanks({ type: 'stop' });
    await endThreads(this.threads, endPatienceMs);
  }
}
