/**
 * A schedule says, as plain data, what every rank does in one pass of distributed attention: what it posts, waits for,
 * computes and merges, in order. Embedded ranks, torch ranks, the predictor and the views all read the same one.
 *
 * A rank keeps tensors by (kind, owner, heads). At the start it has its own Q, K, V; before a backward pass also O, L
 * and dO, and everything else that its forward pass left there. Then its operations run one after the other on a
 * compute stream; what `exchange` posts runs beside them on one communication stream, first in, first out.
 */

export const algorithms = ['lv-xattn', 'ring', 'all-gather', 'ulysses', 'pass-q', 'gather-q'] as const;
export type Algorithm = (typeof algorithms)[number];
export const passes = ['forward', 'backward'] as const;
export type Pass = (typeof passes)[number];

/**
 * Q, K, V; O normalised output; L natural log-sum-exp of the scaled logits; D = rowsum(dO * O). Q, O, L, D, dO and dQ
 * belong to a query block, K, V, dK and dV to a key-value shard. The order is that of the ledger's `kind` column.
 */
export const tensorKinds = ['Q', 'O', 'L', 'K', 'V', 'dO', 'D', 'dQ', 'dK', 'dV'] as const;
export type TensorKind = (typeof tensorKinds)[number];

export type ElementType = 'F32' | 'F16' | 'BF16';
export const elementTypes: readonly ElementType[] = ['F32', 'F16', 'BF16'];
export const bytesOfElement: Readonly<Record<ElementType, 2 | 4>> = { F32: 4, F16: 2, BF16: 2 };

/** Sizes of one attention layer, batch 1. */
export interface AttentionShape {
  readonly queryHeads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
}

/** Rows per rank; lists as long as there are ranks, zeros allowed. */
export interface Sharding {
  readonly queryRows: readonly number[];
  readonly keyRows: readonly number[];
}

/** What travels in which form. */
export interface WireOptions {
  /** Element type of Q, K, V, dO. */
  readonly element: ElementType;
  /** O: as the elements (the official code), or float32, which saves one rounding a hop. */
  readonly output: 'element' | 'float32';
  /** dQ, dK, dV: as the elements (LV-XAttn's repository), or float32 (ring-flash-attention's dK and dV). */
  readonly gradient: 'element' | 'float32';
  /** Ring and all-gather: K and V repeated to all query heads (LV-XAttn's drivers) or as they are. */
  readonly repeatKeyValueHeads: boolean;
  /**
   * Backward of LV-XAttn. `official`: Q, O, dO and L, the latter padded to a multiple of 128 rows. `delta`: D is
   * computed at home once and travels instead of O.
   */
  readonly backward: 'official' | 'delta';
}

/** One tensor from one rank to another. A tensor without bytes is not sent: both ends know that it is empty. */
export interface Transfer {
  readonly kind: TensorKind;
  /** The rank whose query block or key-value shard it is. */
  readonly owner: number;
  readonly source: number;
  readonly destination: number;
  /** Rows on the wire, padding counted. */
  readonly rows: number;
  /** Heads [firstHead, firstHead + heads) of the tensor as it lies at its owner (repeated heads counted as query heads). */
  readonly firstHead: number;
  readonly heads: number;
  readonly elementBytes: 2 | 4;
  readonly bytes: number;
  /** How many hops this tensor has made when it arrives, from 1. */
  readonly hop: number;
  /** Whether a result arrives at its owner. */
  readonly home: boolean;
}

/**
 * Posts sends and receives together, in this order, in the background. A message is in the exchange of the same number
 * at both of its ends, and the messages between two ranks are listed in the same order at both.
 */
export interface Exchange {
  readonly op: 'exchange';
  readonly round: number;
  /** Number of this exchange on its rank, from 0. */
  readonly exchange: number;
  readonly sends: readonly Transfer[];
  readonly receives: readonly Transfer[];
}

/** The compute stream waits until everything that the exchange receives is there. */
export interface Wait {
  readonly op: 'wait';
  readonly round: number;
  readonly exchange: number;
}

/**
 * Attention of each query block to all these key-value shards together, over query heads [firstHead, firstHead + heads).
 * Adds one partial (O, L) to each block.
 */
export interface Attend {
  readonly op: 'attend';
  readonly round: number;
  readonly queries: readonly number[];
  readonly keys: readonly number[];
  readonly firstHead: number;
  readonly heads: number;
}

/** Gradients of each query block with all these shards: adds a part to dQ of each block, and to dK, dV of each shard. */
export interface Differentiate {
  readonly op: 'differentiate';
  readonly round: number;
  readonly queries: readonly number[];
  readonly keys: readonly number[];
  readonly firstHead: number;
  readonly heads: number;
}

/** D = rowsum(dO * O) of a block. */
export interface Delta {
  readonly op: 'delta';
  readonly round: number;
  readonly owner: number;
}

/**
 * Makes one of all parts that this rank has of a block: computed here or arrived. O by the stable rescaling of O and L
 * (a single part is only normalised), gradients by adding.
 */
export interface Merge {
  readonly op: 'merge';
  readonly round: number;
  readonly kind: 'O' | 'dQ' | 'dK';
  /** `dK` stands for dK and dV. */
  readonly owner: number;
}

/** Puts the parts of a tensor, which hold different heads, side by side. */
export interface Assemble {
  readonly op: 'assemble';
  readonly round: number;
  readonly kind: 'O' | 'dQ' | 'dK';
  readonly owner: number;
}

export type Operation = Exchange | Wait | Attend | Differentiate | Delta | Merge | Assemble;

export interface RankProgram {
  readonly rank: number;
  readonly operations: readonly Operation[];
}

export const scheduleFormat = 'fovea-schedule';
export const scheduleVersion = 1;

/** Everything that a rank must know of the run, and what every rank does. JSON. */
export interface Schedule {
  readonly format: typeof scheduleFormat;
  readonly version: typeof scheduleVersion;
  readonly algorithm: Algorithm;
  readonly pass: Pass;
  readonly ranks: number;
  readonly rounds: number;
  readonly shape: AttentionShape;
  readonly sharding: Sharding;
  readonly wire: WireOptions;
  readonly programs: readonly RankProgram[];
}
