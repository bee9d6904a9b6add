/** What a rank has: inputs that it keeps, blocks that pass through, and parts of results that wait to be merged. */
import { categoryOf, type HeldBytes } from '../../trace/traffic/residency.ts';
import { type TensorKind, tensorKinds } from '../../trace/traffic/schedule.ts';
import { addTo } from './block-kernel.ts';
import type { Statistics } from './statistics.ts';

/** Heads [firstHead, firstHead + heads) of one tensor, [heads, rows, width]. */
export interface Piece {
  readonly firstHead: number;
  readonly heads: number;
  readonly rows: number;
  readonly data: Float32Array;
}

export type GradientKind = 'dQ' | 'dK' | 'dV';

/** The rows of some heads of a piece; a view. */
export function headsOfPiece({ firstHead, heads, data }: Piece, first: number, count: number): Float32Array {
  const perHead = heads === 0 ? 0 : data.length / heads;
  return data.subarray((first - firstHead) * perHead, (first - firstHead + count) * perHead);
}

export class RankStore {
  private readonly pieces = new Map<TensorKind, Map<number, Piece>>();
  private readonly gradients = new Map<GradientKind, Map<number, Piece[]>>();
  /** Parts of O and L per query block: computed here or arrived, and not sent away. */
  readonly outputs = new Map<number, Statistics[]>();
  /** Bytes set aside for what has been posted to be received, by exchange. */
  readonly arriving = new Map<number, number>();

  find(kind: TensorKind, owner: number): Piece | undefined {
    return this.pieces.get(kind)?.get(owner);
  }

  set(kind: TensorKind, owner: number, piece: Piece): void {
    const ofKind = this.pieces.get(kind) ?? new Map<number, Piece>();
    this.pieces.set(kind, ofKind.set(owner, piece));
  }

  forget(kind: TensorKind, owner: number): void {
    this.pieces.get(kind)?.delete(owner);
  }

  addOutput(owner: number, part: Statistics): void {
    this.outputs.set(owner, [...(this.outputs.get(owner) ?? []), part]);
  }

  gradientParts(kind: GradientKind, owner: number): readonly Piece[] {
    return this.gradients.get(kind)?.get(owner) ?? [];
  }

  setGradient(kind: GradientKind, owner: number, parts: readonly Piece[]): void {
    const ofKind = this.gradients.get(kind) ?? new Map<number, Piece[]>();
    this.gradients.set(kind, ofKind.set(owner, [...parts]));
  }

  /** What was computed here is summed at once, so that a block never has more than one part of this rank. */
  addGradient(kind: GradientKind, owner: number, part: Piece): void {
    const parts = this.gradientParts(kind, owner);
    const same = parts.find(({ firstHead, heads }) => firstHead === part.firstHead && heads === part.heads);
    if (same) addTo(same.data, part.data);
    else this.setGradient(kind, owner, [...parts, part]);
  }

  /** Bytes of the arrays held now. */
  held(scratch: number): HeldBytes {
    const held = { keyValue: 0, query: 0, output: 0, statistics: 0, gradient: 0, inFlight: 0, scratch };
    for (const kind of tensorKinds) {
      for (const { data } of this.pieces.get(kind)?.values() ?? []) held[categoryOf(kind)] += data.byteLength;
    }
    for (const blocks of this.gradients.values()) {
      for (const { data } of [...blocks.values()].flat()) held.gradient += data.byteLength;
    }
    for (const { accumulator, maximum, sum } of [...this.outputs.values()].flat()) {
      held.output += accumulator.byteLength;
      held.statistics += maximum.byteLength + sum.byteLength;
    }
    for (const bytes of this.arriving.values()) held.inFlight += bytes;
    return held;
  }
}
