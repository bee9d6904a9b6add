import type { Algorithm, Exchange, Operation, Pass, RankProgram, TensorKind, Transfer } from '../schedule.ts';
import { elementBytesOf, headsOf, rowsOf, type Sizes, widthOf } from '../sizes.ts';

export interface Leg {
  readonly owner: number;
  readonly source: number;
  readonly destination: number;
  readonly hop: number;
}

export interface PartOfHeads {
  readonly firstHead: number;
  readonly heads: number;
}

/** Writes down what one rank does. Exchanges get their numbers in the order in which they are posted. */
export class ProgramBuilder {
  readonly operations: Operation[] = [];
  private exchanges = 0;

  constructor(
    readonly rank: number,
    readonly sizes: Sizes,
  ) {}

  get ranks(): number {
    return this.sizes.sharding.queryRows.length;
  }

  /** All ranks, this one first, then its successors. */
  get everybody(): number[] {
    return Array.from({ length: this.ranks }, (_, step) => (this.rank + step) % this.ranks);
  }

  get others(): number[] {
    return this.everybody.slice(1);
  }

  /** `rank + step` on the ring. */
  neighbour(step: number): number {
    return (((this.rank + step) % this.ranks) + this.ranks) % this.ranks;
  }

  transfer(kind: TensorKind, leg: Leg, part?: PartOfHeads, rowsOnWire?: number): Transfer {
    const { sizes } = this;
    const { firstHead, heads } = part ?? { firstHead: 0, heads: headsOf(kind, sizes) };
    const rows = rowsOnWire ?? rowsOf(kind, leg.owner, sizes);
    const elementBytes = elementBytesOf(kind, sizes);
    const result = kind === 'O' || kind === 'L' || kind.startsWith('d');
    return {
      kind,
      ...leg,
      rows,
      firstHead,
      heads,
      elementBytes,
      bytes: rows * heads * widthOf(kind, sizes) * elementBytes,
      home: result && kind !== 'dO' && leg.destination === leg.owner,
    };
  }

  /** Tensors without bytes are left out: both ends know that they are empty. @returns the exchange's number */
  exchange(round: number, sends: readonly Transfer[], receives: readonly Transfer[]): number {
    const filled = (transfers: readonly Transfer[]): Transfer[] => transfers.filter(({ bytes }) => bytes > 0);
    const exchange: Exchange = {
      op: 'exchange',
      round,
      exchange: this.exchanges++,
      sends: filled(sends),
      receives: filled(receives),
    };
    this.operations.push(exchange);
    return exchange.exchange;
  }

  wait(round: number, exchange: number | undefined): void {
    if (exchange !== undefined) this.operations.push({ op: 'wait', round, exchange });
  }

  attend(round: number, queries: readonly number[], keys: readonly number[], part?: PartOfHeads): void {
    this.operations.push({ op: 'attend', round, queries, keys, ...(part ?? this.allHeads()) });
  }

  differentiate(round: number, queries: readonly number[], keys: readonly number[], part?: PartOfHeads): void {
    this.operations.push({ op: 'differentiate', round, queries, keys, ...(part ?? this.allHeads()) });
  }

  delta(round: number): void {
    this.operations.push({ op: 'delta', round, owner: this.rank });
  }

  merge(round: number, kind: 'O' | 'dQ' | 'dK', owner: number): void {
    this.operations.push({ op: 'merge', round, kind, owner });
  }

  assemble(round: number, kind: 'O' | 'dQ' | 'dK'): void {
    this.operations.push({ op: 'assemble', round, kind, owner: this.rank });
  }

  build(): RankProgram {
    return { rank: this.rank, operations: this.operations };
  }

  private allHeads(): PartOfHeads {
    return { firstHead: 0, heads: this.sizes.shape.queryHeads };
  }
}

/** Writes one rank's program. @returns the number of rounds */
export type ProgramWriter = (builder: ProgramBuilder) => number;

export interface AlgorithmPrograms {
  readonly algorithm: Algorithm;
  readonly programs: Readonly<Partial<Record<Pass, ProgramWriter>>>;
  /** @throws TrafficError when the algorithm cannot split these sizes */
  readonly requireSizes?: (sizes: Sizes) => void;
}
