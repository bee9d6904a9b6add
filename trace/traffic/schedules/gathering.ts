import type { TensorKind, Transfer } from '../schedule.ts';
import type { ProgramBuilder } from './program-builder.ts';

/** Every rank sends its own tensors to all others. @returns the exchange's number, none for one rank */
export function gatherAll(builder: ProgramBuilder, round: number, kinds: readonly TensorKind[]): number | undefined {
  const { rank } = builder;
  return exchangeAll(
    builder,
    round,
    other => kinds.map(kind => builder.transfer(kind, { owner: rank, source: rank, destination: other, hop: 1 })),
    other => kinds.map(kind => builder.transfer(kind, { owner: other, source: other, destination: rank, hop: 1 })),
  );
}

/** Every rank sends what it has of the others' blocks home to them. @returns as `gatherAll` */
export function scatterHome(builder: ProgramBuilder, round: number, kinds: readonly TensorKind[]): number | undefined {
  const { rank } = builder;
  return exchangeAll(
    builder,
    round,
    other => kinds.map(kind => builder.transfer(kind, { owner: other, source: rank, destination: other, hop: 1 })),
    other => kinds.map(kind => builder.transfer(kind, { owner: rank, source: other, destination: rank, hop: 1 })),
  );
}

/** To successors in their order, from predecessors in theirs, so that no rank is everybody's first. */
export function exchangeAll(
  builder: ProgramBuilder,
  round: number,
  sends: (other: number) => readonly Transfer[],
  receives: (other: number) => readonly Transfer[],
): number | undefined {
  if (builder.ranks === 1) return undefined;
  return builder.exchange(round, builder.others.flatMap(sends), builder.others.toReversed().flatMap(receives));
}
