/**
 * The ledger of a traffic run: one row per event in tables of float64, so that bytes beyond 2^31 and nanoseconds are
 * exact. Times are nanoseconds since the start of the row's run; NaN where the event did not happen any more.
 */
import type { Pass, TensorKind } from './schedule.ts';

export const computeKinds = ['attention', 'merge', 'gradient', 'delta', 'assemble', 'projection'] as const;
export type ComputeKind = (typeof computeKinds)[number];

/** One message. */
export interface TransferEvent {
  /** Index into the metadata's `runs`. */
  readonly run: number;
  readonly layer: number;
  readonly pass: Pass;
  readonly round: number;
  readonly kind: TensorKind;
  readonly owner: number;
  readonly source: number;
  readonly destination: number;
  readonly bytes: number;
  readonly hop: number;
  readonly home: boolean;
  /** When the sender handed it over, when the link took it up, when the receiver had it all. */
  readonly posted: number;
  readonly started: number;
  readonly ended: number;
}

export interface ComputeEvent {
  readonly run: number;
  readonly layer: number;
  readonly pass: Pass;
  readonly round: number;
  readonly rank: number;
  readonly kind: ComputeKind;
  /** The query block; -1 when all of them are worked on at once. */
  readonly owner: number;
  /** The key-value shard; -1 for all of them, or none. */
  readonly keyOwner: number;
  readonly flops: number;
  /** Query rows that see at least one key here. */
  readonly rowsVisible: number;
  /** Nothing was visible, so nothing was computed. */
  readonly skipped: boolean;
  readonly started: number;
  readonly ended: number;
}

/** A stall of the compute lane. */
export interface WaitEvent {
  readonly run: number;
  readonly round: number;
  readonly rank: number;
  /** Kind and owner of the first tensor that was waited for. */
  readonly kind: TensorKind;
  readonly owner: number;
  readonly started: number;
  readonly ended: number;
}

/** Bytes in use on a rank at one time; what the run holds, not the whole process. */
export interface MemoryEvent {
  readonly run: number;
  readonly rank: number;
  readonly time: number;
  /** Key-value shards, own and passing. */
  readonly keyValue: number;
  readonly query: number;
  readonly output: number;
  /** L, D, maxima and sums. */
  readonly statistics: number;
  /** dO, dQ, dK, dV */
  readonly gradient: number;
  /** Copies that wait to be sent or have arrived and wait to be used. */
  readonly inFlight: number;
  /** Scores and other intermediate results. */
  readonly scratch: number;
}

/** How a result compares with the same attention on one device. */
export interface AgreementEvent {
  readonly run: number;
  /** The rank on which it was compared. */
  readonly rank: number;
  readonly owner: number;
  /** After this round, against attention over the shards seen so far; -1 for the final result. */
  readonly round: number;
  readonly kind: TensorKind;
  readonly maxAbs: number;
  /** |found - expected| / |expected|, 2-norms */
  readonly relL2: number;
  readonly cosine: number;
  /** Largest difference of L over rows that see a key; NaN where L is not compared. */
  readonly lseMaxAbs: number;
  /** Values that are no numbers. */
  readonly notFinite: number;
  /** Values other than 0 in rows that see no key. */
  readonly maskedNonZero: number;
}

/** Columns of each table, in order. Kinds, passes and flags are stored as indices. */
export const ledgerColumns = {
  'traffic.transfers': [
    'run',
    'layer',
    'pass',
    'round',
    'kind',
    'owner',
    'source',
    'destination',
    'bytes',
    'hop',
    'home',
    'posted',
    'started',
    'ended',
  ],
  'traffic.computes': [
    'run',
    'layer',
    'pass',
    'round',
    'rank',
    'kind',
    'owner',
    'keyOwner',
    'flops',
    'rowsVisible',
    'skipped',
    'started',
    'ended',
  ],
  'traffic.waits': ['run', 'round', 'rank', 'kind', 'owner', 'started', 'ended'],
  'traffic.memory': [
    'run',
    'rank',
    'time',
    'keyValue',
    'query',
    'output',
    'statistics',
    'gradient',
    'inFlight',
    'scratch',
  ],
  'traffic.agreement': [
    'run',
    'rank',
    'owner',
    'round',
    'kind',
    'maxAbs',
    'relL2',
    'cosine',
    'lseMaxAbs',
    'notFinite',
    'maskedNonZero',
  ],
} as const satisfies {
  'traffic.transfers': readonly (keyof TransferEvent)[];
  'traffic.computes': readonly (keyof ComputeEvent)[];
  'traffic.waits': readonly (keyof WaitEvent)[];
  'traffic.memory': readonly (keyof MemoryEvent)[];
  'traffic.agreement': readonly (keyof AgreementEvent)[];
};
export type LedgerTable = keyof typeof ledgerColumns;
export const ledgerTables = Object.keys(ledgerColumns) as LedgerTable[];

export interface Ledger {
  readonly transfers: readonly TransferEvent[];
  readonly computes: readonly ComputeEvent[];
  readonly waits: readonly WaitEvent[];
  readonly memory: readonly MemoryEvent[];
  readonly agreement: readonly AgreementEvent[];
}

export const emptyLedger: Ledger = { transfers: [], computes: [], waits: [], memory: [], agreement: [] };

/** The events of one of the metadata's `runs`. */
export function ledgerOfRun(ledger: Ledger, index: number): Ledger {
  const own = <Event extends { readonly run: number }>(events: readonly Event[]): Event[] =>
    events.filter(({ run }) => run === index);
  return {
    transfers: own(ledger.transfers),
    computes: own(ledger.computes),
    waits: own(ledger.waits),
    memory: own(ledger.memory),
    agreement: own(ledger.agreement),
  };
}
