/** What a rank holds while it runs its program, counted from sizes: the planner's memory, and what the panel compares with. */
import { type Operation, type RankProgram, type TensorKind, tensorKinds } from './schedule.ts';
import { elementBytesOf, headsOf, rowsOf, type Sizes, widthOf } from './sizes.ts';

export interface HeldBytes {
  readonly keyValue: number;
  readonly query: number;
  readonly output: number;
  readonly statistics: number;
  readonly gradient: number;
  readonly inFlight: number;
  readonly scratch: number;
}

export function heldTotal(held: HeldBytes): number {
  return held.keyValue + held.query + held.output + held.statistics + held.gradient + held.inFlight + held.scratch;
}

type Category = Exclude<keyof HeldBytes, 'inFlight' | 'scratch'>;

export function categoryOf(kind: TensorKind): Category {
  switch (kind) {
    case 'K':
    case 'V':
      return 'keyValue';
    case 'Q':
      return 'query';
    case 'O':
      return 'output';
    case 'L':
    case 'D':
      return 'statistics';
    case 'dO':
    case 'dQ':
    case 'dK':
    case 'dV':
      return 'gradient';
  }
}

export const mostKeysPerChunk = 4096;

/** Attention is computed in chunks of so many keys that the scores stay near 64 MB. */
export function keysPerChunk(rowsOfAllHeads: number): number {
  return Math.max(128, Math.min(mostKeysPerChunk, Math.floor(2 ** 24 / Math.max(1, rowsOfAllHeads))));
}

/** Index of the last operation that reads a tensor on this rank; after it a foreign block may be forgotten. */
export function lastUses(program: RankProgram): Map<string, number> {
  const last = new Map<string, number>();
  program.operations.forEach((operation, index) => {
    for (const key of readKeys(operation)) last.set(key, index);
  });
  return last;
}

/** "K3": the tensor of one owner. */
export function tensorKey(kind: TensorKind, owner: number): string {
  return kind + String(owner);
}

function readKeys(operation: Operation): string[] {
  switch (operation.op) {
    case 'exchange':
      return operation.sends.map(({ kind, owner }) => tensorKey(kind, owner));
    case 'attend':
      return [
        ...operation.queries.map(owner => tensorKey('Q', owner)),
        ...operation.keys.flatMap(owner => [tensorKey('K', owner), tensorKey('V', owner)]),
      ];
    case 'differentiate':
      return [
        ...operation.queries.flatMap(owner =>
          (['Q', 'O', 'L', 'dO', 'D'] as const).map(kind => tensorKey(kind, owner)),
        ),
        ...operation.keys.flatMap(owner => [tensorKey('K', owner), tensorKey('V', owner)]),
      ];
    case 'wait':
    case 'delta':
    case 'merge':
    case 'assemble':
      return [];
  }
}

/** Bytes that a rank holds at most. Results are accumulated in float32, as every backend here does. */
export function peakBytes(program: RankProgram, sizes: Sizes, backward: boolean): { total: number; held: HeldBytes } {
  const { rank, operations } = program;
  const { shape, sharding, wire } = sizes;
  const last = lastUses(program);
  const held = new Map<string, { category: Category; bytes: number }>();
  const arriving = new Map<number, number>();
  const hold = (kind: TensorKind, owner: number, bytes: number): void => {
    held.set(tensorKey(kind, owner), { category: categoryOf(kind), bytes });
  };
  const kept = new Set(tensorKinds.map(kind => tensorKey(kind, rank)));
  const own: TensorKind[] = backward ? ['Q', 'K', 'V', 'O', 'L', 'dO'] : ['Q', 'K', 'V'];
  for (const kind of own) {
    hold(
      kind,
      rank,
      rowsOf(kind, rank, sizes) * headsOf(kind, sizes) * widthOf(kind, sizes) * elementBytesOf(kind, sizes),
    );
  }
  const result = (kind: TensorKind, owner: number, heads: number): void => {
    hold(kind, owner, rowsOf(kind, owner, sizes) * heads * widthOf(kind, sizes) * 4);
  };
  const exchanges = operations.filter(operation => operation.op === 'exchange');
  let peak: { total: number; held: HeldBytes } | undefined;
  operations.forEach((operation, index) => {
    let scratch = 0;
    if (operation.op === 'exchange') {
      arriving.set(
        operation.exchange,
        operation.receives.reduce((sum, { bytes }) => sum + bytes, 0),
      );
    } else if (operation.op === 'wait') {
      arriving.delete(operation.exchange);
      for (const { kind, owner, bytes } of exchanges[operation.exchange]!.receives) hold(kind, owner, bytes);
    } else if (operation.op === 'attend' || operation.op === 'differentiate') {
      const keys = operation.keys.reduce((most, key) => Math.max(most, sharding.keyRows[key]!), 0);
      const rows = operation.heads * Math.max(...operation.queries.map(block => sharding.queryRows[block]!));
      scratch = rows * Math.min(keysPerChunk(rows), keys) * 4 * (operation.op === 'attend' ? 1 : 2);
      for (const block of operation.queries) {
        if (operation.op === 'differentiate') result('dQ', block, operation.heads);
        else for (const kind of ['O', 'L'] as const) result(kind, block, operation.heads);
      }
      if (operation.op === 'differentiate') {
        // Repeated heads have gradients of their own until they are added at home.
        const shared = wire.repeatKeyValueHeads ? 1 : shape.keyValueHeads / shape.queryHeads;
        const heads = Math.max(1, operation.heads * shared);
        for (const shard of operation.keys) for (const kind of ['dK', 'dV'] as const) result(kind, shard, heads);
      }
    }
    const now = { keyValue: 0, query: 0, output: 0, statistics: 0, gradient: 0, inFlight: 0, scratch };
    for (const { category, bytes } of held.values()) now[category] += bytes;
    for (const bytes of arriving.values()) now.inFlight += bytes;
    const total = heldTotal(now);
    if (!peak || total > peak.total) peak = { total, held: now };
    for (const key of held.keys()) if ((last.get(key) ?? Infinity) <= index && !kept.has(key)) held.delete(key);
  });
  return (
    peak ?? {
      total: 0,
      held: { keyValue: 0, query: 0, output: 0, statistics: 0, gradient: 0, inFlight: 0, scratch: 0 },
    }
  );
}
