/** What the threads of an embedded run say to each other. */
import type { ComputeEvent, MemoryEvent, TransferEvent, WaitEvent } from '../../trace/traffic/ledger.ts';
import type { Pass, RankProgram, TensorKind } from '../../trace/traffic/schedule.ts';
import type { Sizes } from '../../trace/traffic/sizes.ts';
import type { FoveaErrorCode } from '../errors.ts';
import type { MessagePort } from 'node:worker_threads';

/** One tensor in a message; its bytes are in `buffer`. */
export interface WireTensor {
  readonly kind: TensorKind;
  readonly owner: number;
  readonly hop: number;
  readonly home: boolean;
  readonly buffer: ArrayBuffer;
}

/** All that one exchange sends to one rank. */
export interface Bundle {
  readonly source: number;
  readonly destination: number;
  /** -1 while a backward pass is prepared. */
  readonly repetition: number;
  readonly pass: Pass;
  readonly round: number;
  readonly exchange: number;
  /** Nanoseconds since the run's epoch. */
  readonly posted: number;
  readonly tensors: readonly WireTensor[];
}

/** Slots of the shared Int32Array. */
export const sharedSlots = {
  /** Set when the run ends early. */
  abort: 0,
  /** Counts bundles handed to the links. */
  links: 1,
  /** Bundles that the links have not delivered. */
  pending: 2,
  /** Ranks that stand at the start line, summed over runs. */
  barrier: 3,
  /** Then per rank: bundles delivered to it; then per rank: 1 while it runs a program. */
  ranks: 4,
} as const;

export interface EmulatedLink {
  /** Seconds per bundle. */
  readonly latency: number;
  /** Bytes per second in each direction of a rank. */
  readonly bandwidth: number;
}

export interface LinksSetup {
  readonly role: 'links';
  readonly ranks: number;
  readonly shared: Int32Array;
  readonly epoch: bigint;
  readonly link: EmulatedLink | undefined;
  /** To each rank. */
  readonly ports: readonly MessagePort[];
}

export interface RankInputs {
  /** [heads, rows, head size] each */
  readonly Q: Float32Array;
  readonly K: Float32Array;
  readonly V: Float32Array;
  readonly dO?: Float32Array;
}

export interface RankSetup {
  readonly role: 'rank';
  readonly rank: number;
  readonly sizes: Sizes;
  readonly shared: Int32Array;
  readonly epoch: bigint;
  readonly port: MessagePort;
  readonly threads: number;
  /** Run before a backward pass, unrecorded. */
  readonly preparation: RankProgram | undefined;
  readonly program: RankProgram;
  readonly pass: Pass;
  readonly inputs: RankInputs;
  /** Keys [first, end) that each query row sees, [all query rows, 2]; undefined where all see all. */
  readonly visible: Int32Array | undefined;
  /** Sends O and L after every merge, for the check of every round. */
  readonly snapshots: boolean;
  /** Ulysses: what it has of other ranks' blocks is needed again in the backward pass. */
  readonly keepBlocks: boolean;
}

export interface RankResults {
  readonly O?: Float32Array;
  readonly L?: Float32Array;
  readonly dQ?: Float32Array;
  readonly dK?: Float32Array;
  readonly dV?: Float32Array;
}

export interface RankEvents {
  readonly computes: readonly Omit<ComputeEvent, 'run'>[];
  readonly waits: readonly Omit<WaitEvent, 'run'>[];
  readonly memory: readonly Omit<MemoryEvent, 'run'>[];
}

/** A block's output after a round. */
export interface Snapshot {
  readonly rank: number;
  readonly owner: number;
  readonly round: number;
  readonly O: Float32Array;
  readonly L: Float32Array;
}

export interface ThreadFailure {
  readonly code: FoveaErrorCode | 'internal';
  readonly message: string;
  readonly hint: string;
}

export type RankMessage =
  | { readonly type: 'ready' }
  | { readonly type: 'events'; readonly repetition: number; readonly events: RankEvents }
  | { readonly type: 'snapshot'; readonly snapshot: Snapshot }
  | {
      readonly type: 'finished';
      readonly repetition: number;
      readonly started: number;
      readonly ended: number;
      readonly results: RankResults;
    }
  | { readonly type: 'interrupted' }
  | { readonly type: 'failed'; readonly failure: ThreadFailure };

export type LinksMessage =
  | { readonly type: 'ready' }
  | {
      readonly type: 'transfers';
      readonly repetition: number;
      readonly transfers: readonly Omit<TransferEvent, 'run'>[];
    }
  | { readonly type: 'stopped' }
  | { readonly type: 'failed'; readonly failure: ThreadFailure };

export type DriverMessage =
  { readonly type: 'go'; readonly repetition: number; readonly checked: boolean } | { readonly type: 'stop' };
