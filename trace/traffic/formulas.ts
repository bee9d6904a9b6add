/**
 * Bytes that each rank sends, in closed form and independent of the schedules, so that one checks the other.
 * e: bytes of an element; h, h' heads of queries and of keys and values as sent; d: head size; n ranks; sq, sk rows.
 */
import { rowTotal } from './metadata.ts';
import type { Algorithm, Pass, TensorKind } from './schedule.ts';
import { elementBytesOf, headsOf, padded, type Sizes } from './sizes.ts';

export type BytesByKind = Readonly<Partial<Record<TensorKind, readonly number[]>>>;

type Terms = Partial<Record<TensorKind, (rank: number) => number>>;

/** Per kind, per rank. Nothing is sent by one rank alone. */
export function expectedBytes(algorithm: Algorithm, pass: Pass, sizes: Sizes): BytesByKind {
  const ranks = sizes.sharding.queryRows.length;
  if (ranks === 1) return {};
  const all = Array.from({ length: ranks }, (_, rank) => rank);
  const terms = termsOf[algorithm][pass]?.(sizes) ?? {};
  return Object.fromEntries(Object.entries(terms).map(([kind, term]) => [kind, all.map(term)]));
}

export function sumByRank(byKind: BytesByKind, ranks: number): number[] {
  return Array.from({ length: ranks }, (_, rank) =>
    Object.values(byKind).reduce((sum, perRank) => sum + perRank[rank]!, 0),
  );
}

const termsOf: Readonly<Record<Algorithm, Partial<Record<Pass, (sizes: Sizes) => Terms>>>> = {
  'lv-xattn': { forward: lvForward, backward: lvBackward },
  ring: { forward: ringForward, backward: ringBackward },
  'all-gather': { forward: gatherForward, backward: gatherBackward },
  ulysses: { forward: ulyssesForward, backward: ulyssesBackward },
  'pass-q': { forward: sizes => ({ Q: allButSuccessors('Q', sizes), ...partialsHome(sizes) }) },
  'gather-q': { forward: sizes => ({ Q: toAllOthers('Q', sizes), ...partialsHome(sizes) }) },
};

/** Bytes of one row of a tensor over all its heads. */
function rowBytes(kind: TensorKind, sizes: Sizes): number {
  const width = kind === 'L' || kind === 'D' ? 1 : sizes.shape.headSize;
  return elementBytesOf(kind, sizes) * headsOf(kind, sizes) * width;
}

function rows(kind: TensorKind, { sharding }: Sizes): readonly number[] {
  return ['K', 'V', 'dK', 'dV'].includes(kind) ? sharding.keyRows : sharding.queryRows;
}

/** A ring of n - 1 hops: a rank passes on every block but the one it sees last, its successor's. */
function allButSuccessors(kind: TensorKind, sizes: Sizes): (rank: number) => number {
  const counts = rows(kind, sizes);
  return rank => rowBytes(kind, sizes) * (rowTotal(counts) - counts[(rank + 1) % counts.length]!);
}

/** A ring of n hops: a rank passes on every block once. */
function every(kind: TensorKind, sizes: Sizes): (rank: number) => number {
  return () => rowBytes(kind, sizes) * rowTotal(rows(kind, sizes));
}

function toAllOthers(kind: TensorKind, sizes: Sizes): (rank: number) => number {
  const counts = rows(kind, sizes);
  return rank => rowBytes(kind, sizes) * (counts.length - 1) * counts[rank]!;
}

function allOfOthers(kind: TensorKind, sizes: Sizes): (rank: number) => number {
  const counts = rows(kind, sizes);
  return rank => rowBytes(kind, sizes) * (rowTotal(counts) - counts[rank]!);
}

function lvForward(sizes: Sizes): Terms {
  return { Q: allButSuccessors('Q', sizes), O: every('O', sizes), L: every('L', sizes) };
}

function lvBackward(sizes: Sizes): Terms {
  const travelling = (kind: TensorKind): ((rank: number) => number) => allButSuccessors(kind, sizes);
  const shared = { Q: travelling('Q'), dO: travelling('dO'), dQ: every('dQ', sizes) };
  if (sizes.wire.backward === 'delta') return { ...shared, L: travelling('L'), D: travelling('D') };
  const paddedRows = sizes.sharding.queryRows.map(padded);
  const L = (rank: number): number =>
    4 * sizes.shape.queryHeads * (rowTotal(paddedRows) - paddedRows[(rank + 1) % paddedRows.length]!);
  return { ...shared, O: travelling('O'), L };
}

function ringForward(sizes: Sizes): Terms {
  return { K: allButSuccessors('K', sizes), V: allButSuccessors('V', sizes) };
}

function ringBackward(sizes: Sizes): Terms {
  return { ...ringForward(sizes), dK: every('dK', sizes), dV: every('dV', sizes) };
}

function gatherForward(sizes: Sizes): Terms {
  return { K: toAllOthers('K', sizes), V: toAllOthers('V', sizes) };
}

function gatherBackward(sizes: Sizes): Terms {
  return { ...gatherForward(sizes), dK: allOfOthers('dK', sizes), dV: allOfOthers('dV', sizes) };
}

function partialsHome(sizes: Sizes): Terms {
  return { O: allOfOthers('O', sizes), L: allOfOthers('L', sizes) };
}

/** Of all heads, the share that one rank works on; more than 1 / n where key-value heads are repeated. */
function share(kind: TensorKind, sizes: Sizes): number {
  const ranks = sizes.sharding.queryRows.length;
  const heads = headsOf(kind, sizes);
  return Math.max(heads / ranks, 1) / heads;
}

function scaled(term: (rank: number) => number, factor: number): (rank: number) => number {
  return rank => term(rank) * factor;
}

function ulyssesForward(sizes: Sizes): Terms {
  return {
    Q: scaled(toAllOthers('Q', sizes), share('Q', sizes)),
    K: scaled(toAllOthers('K', sizes), share('K', sizes)),
    V: scaled(toAllOthers('V', sizes), share('V', sizes)),
    O: scaled(allOfOthers('O', sizes), share('O', sizes)),
  };
}

function ulyssesBackward(sizes: Sizes): Terms {
  return {
    dO: scaled(toAllOthers('dO', sizes), share('dO', sizes)),
    dQ: scaled(allOfOthers('dQ', sizes), share('dQ', sizes)),
    dK: scaled(allOfOthers('dK', sizes), share('dK', sizes)),
    dV: scaled(allOfOthers('dV', sizes), share('dV', sizes)),
  };
}
