import { TrafficError } from './errors.ts';
import { rowTotal } from './metadata.ts';
import { type AttentionShape, bytesOfElement, type Sharding, type TensorKind, type WireOptions } from './schedule.ts';

/** Everything that decides how large a tensor is on the wire. */
export interface Sizes {
  readonly shape: AttentionShape;
  readonly sharding: Sharding;
  readonly wire: WireOptions;
}

export const defaultWire: WireOptions = {
  element: 'F32',
  output: 'element',
  gradient: 'element',
  repeatKeyValueHeads: false,
  backward: 'official',
};

/** As equal as possible: the first ranks get one row more. */
export function splitEvenly(rows: number, ranks: number): number[] {
  return Array.from({ length: ranks }, (_, rank) => Math.floor(rows / ranks) + (rank < rows % ranks ? 1 : 0));
}

/** @throws TrafficError `sizes` */
export function requireSizes({ shape, sharding }: Pick<Sizes, 'shape' | 'sharding'>): void {
  const { queryHeads, keyValueHeads, headSize } = shape;
  const { queryRows, keyRows } = sharding;
  for (const [what, size] of Object.entries({ queryHeads, keyValueHeads, headSize })) {
    if (!Number.isSafeInteger(size) || size < 1) throw sizeError(`${what} is ${size}`);
  }
  if (queryHeads % keyValueHeads !== 0) {
    throw sizeError(`${queryHeads} query heads cannot share ${keyValueHeads} key-value heads evenly`);
  }
  if (queryRows.length < 1 || queryRows.length !== keyRows.length) {
    throw sizeError(`queries are split over ${queryRows.length} ranks and keys over ${keyRows.length}`);
  }
  for (const rows of [...queryRows, ...keyRows]) {
    if (!Number.isSafeInteger(rows) || rows < 0) throw sizeError(`a rank has ${rows} rows`);
  }
  if (rowTotal(queryRows) === 0 || rowTotal(keyRows) === 0) throw sizeError('there are no queries or no keys');
}

function sizeError(problem: string): TrafficError {
  return new TrafficError('sizes', `These sizes fit no attention: ${problem}.`, 'Give whole numbers from 1.');
}

const keyValueKinds: readonly TensorKind[] = ['K', 'V', 'dK', 'dV'];

export function isKeyValue(kind: TensorKind): boolean {
  return keyValueKinds.includes(kind);
}

/** Heads of a tensor at its owner, as it travels. */
export function headsOf(kind: TensorKind, { shape, wire }: Sizes): number {
  return isKeyValue(kind) && !wire.repeatKeyValueHeads ? shape.keyValueHeads : shape.queryHeads;
}

export function rowsOf(kind: TensorKind, owner: number, { sharding }: Sizes): number {
  return (isKeyValue(kind) ? sharding.keyRows : sharding.queryRows)[owner]!;
}

/** Elements per row and head. */
export function widthOf(kind: TensorKind, { shape }: Sizes): number {
  return kind === 'L' || kind === 'D' ? 1 : shape.headSize;
}

export function elementBytesOf(kind: TensorKind, { wire }: Sizes): 2 | 4 {
  const element = bytesOfElement[wire.element];
  switch (kind) {
    case 'L':
    case 'D':
      return 4;
    case 'O':
      return wire.output === 'float32' ? 4 : element;
    case 'dQ':
    case 'dK':
    case 'dV':
      return wire.gradient === 'float32' ? 4 : element;
    case 'Q':
    case 'K':
    case 'V':
    case 'dO':
      return element;
  }
}

/** LV-XAttn's repository pads L to whole blocks of its backward kernel. */
export function padded(rows: number): number {
  return Math.ceil(rows / 128) * 128;
}
