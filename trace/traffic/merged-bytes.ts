/** What putting results together costs a rank, besides attention: for the planner. */
import { tensorKey } from './residency.ts';
import { bytesOfElement, type Merge, type RankProgram } from './schedule.ts';
import type { Sizes } from './sizes.ts';
import type { ComputeOperation } from './timeline.ts';

/** Parts that were computed here or have arrived, for each merge; what was sent on counts no more. */
function mergedParts({ operations }: RankProgram): ReadonlyMap<Merge, number> {
  const held = new Map<string, number>();
  const merged = new Map<Merge, number>();
  const add = (kind: Merge['kind'], owner: number): void => {
    const key = tensorKey(kind, owner);
    held.set(key, (held.get(key) ?? 0) + 1);
  };
  for (const operation of operations) {
    switch (operation.op) {
      case 'exchange':
        for (const { kind, owner } of operation.sends) held.delete(tensorKey(kind, owner));
        for (const { kind, owner } of operation.receives) if (isMerged(kind)) add(kind, owner);
        break;
      case 'attend':
        for (const owner of operation.queries) add('O', owner);
        break;
      case 'differentiate':
        for (const owner of operation.queries) add('dQ', owner);
        for (const owner of operation.keys) add('dK', owner);
        break;
      case 'merge': {
        const key = tensorKey(operation.kind, operation.owner);
        merged.set(operation, held.get(key) ?? 0);
        held.set(key, 1);
        break;
      }
      case 'wait':
      case 'delta':
      case 'assemble':
        break;
    }
  }
  return merged;
}

function isMerged(kind: string): kind is Merge['kind'] {
  return kind === 'O' || kind === 'dQ' || kind === 'dK';
}

/**
 * Bytes that each merge and copy of these programs reads and writes. Parts are added one to another in float32, two are
 * read and one is written; what results is then written as it travels. Where parts hold different heads, putting these
 * side by side is all.
 */
export function mergedBytes(programs: readonly RankProgram[], sizes: Sizes): ReadonlyMap<ComputeOperation, number> {
  const bytes = new Map<ComputeOperation, number>();
  for (const program of programs) {
    const merged = mergedParts(program);
    const byHeads = program.operations.some(({ op }) => op === 'assemble');
    for (const operation of program.operations) {
      if (operation.op === 'merge') {
        const written = bytesOfElement[sizes.wire.element] === 4 ? 0 : 4 + bytesOfElement[sizes.wire.element];
        const additions = Math.max(0, merged.get(operation)! - 1);
        if (!byHeads) bytes.set(operation, elements(operation, sizes) * (3 * 4 * additions + written));
      } else if (operation.op === 'assemble' || operation.op === 'delta') {
        bytes.set(operation, elements(operation, sizes) * 2 * 4);
      }
    }
  }
  return bytes;
}

function elements(
  operation: Exclude<ComputeOperation, { readonly op: 'attend' | 'differentiate' }>,
  { shape, sharding, wire }: Sizes,
): number {
  const keyValue = operation.op !== 'delta' && operation.kind === 'dK';
  const keyValueHeads = wire.repeatKeyValueHeads ? shape.queryHeads : shape.keyValueHeads;
  // `dK` stands for dV, too.
  const heads = keyValue ? 2 * keyValueHeads : shape.queryHeads;
  return (keyValue ? sharding.keyRows : sharding.queryRows)[operation.owner]! * heads * shape.headSize;
}
