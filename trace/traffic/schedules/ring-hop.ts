import type { TensorKind, Transfer } from '../schedule.ts';
import { padded, rowsOf } from '../sizes.ts';
import type { ProgramBuilder } from './program-builder.ts';

/**
 * One step of a ring: the tensors of `leaving` go to the successor, those of its predecessor's block come in.
 * @param hop how many hops the tensors have made when they arrive
 * @returns the exchange's number
 */
export function ringHop(
  builder: ProgramBuilder,
  round: number,
  kinds: readonly TensorKind[],
  leaving: number,
  hop: number,
  padStatistics = false,
): number {
  const { rank, ranks, sizes } = builder;
  const arriving = (leaving - 1 + ranks) % ranks;
  const transfer = (kind: TensorKind, owner: number, source: number, destination: number): Transfer => {
    const rows = kind === 'L' && padStatistics ? padded(rowsOf(kind, owner, sizes)) : undefined;
    return builder.transfer(kind, { owner, source, destination, hop }, undefined, rows);
  };
  return builder.exchange(
    round,
    kinds.map(kind => transfer(kind, leaving, rank, builder.neighbour(1))),
    kinds.map(kind => transfer(kind, arriving, builder.neighbour(-1), rank)),
  );
}
