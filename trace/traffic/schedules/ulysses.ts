/**
 * DeepSpeed-Ulysses (2309.14509): an all-to-all turns shards of rows into shards of heads and back. Key-value heads are
 * split, or, where ranks outnumber them, each goes to several ranks.
 */
import { TrafficError } from '../errors.ts';
import type { TensorKind, Transfer } from '../schedule.ts';
import { isKeyValue, type Sizes } from '../sizes.ts';
import { exchangeAll } from './gathering.ts';
import type { AlgorithmPrograms, PartOfHeads, ProgramBuilder } from './program-builder.ts';

/** @throws TrafficError `heads` */
function requireUlyssesHeads({ shape, sharding, wire }: Sizes): void {
  const ranks = sharding.queryRows.length;
  const { queryHeads, keyValueHeads } = shape;
  const refuse = (problem: string): never => {
    const divisors = Array.from({ length: queryHeads }, (_, index) => index + 1).filter(
      count => queryHeads % count === 0 && (keyValueHeads % count === 0 || count % keyValueHeads === 0),
    );
    const hint = `Ulysses runs these heads on ${divisors.join(', ')} ranks. LV-XAttn and ring attention have no such limit.`;
    throw new TrafficError('heads', `Ulysses gives each rank whole heads: ${problem}.`, hint);
  };
  if (queryHeads % ranks !== 0) refuse(`${queryHeads} query heads cannot be split over ${ranks} ranks`);
  if (keyValueHeads % ranks !== 0 && ranks % keyValueHeads !== 0) {
    refuse(`${keyValueHeads} key-value heads can be neither split over nor repeated to ${ranks} ranks`);
  }
  if (wire.repeatKeyValueHeads) {
    const hint = 'Only ring attention and all-gather have the variant with repeated heads.';
    throw new TrafficError('heads', 'Ulysses repeats key-value heads only where ranks outnumber them.', hint);
  }
}

/** The heads of a tensor that a rank works on. */
function ulyssesHeads(kind: TensorKind, rank: number, { shape, sharding }: Sizes): PartOfHeads {
  const ranks = sharding.queryRows.length;
  const heads = isKeyValue(kind) ? shape.keyValueHeads : shape.queryHeads;
  if (heads < ranks) return { firstHead: Math.floor((rank * heads) / ranks), heads: 1 };
  return { firstHead: (rank * heads) / ranks, heads: heads / ranks };
}

function spread(builder: ProgramBuilder, kinds: readonly TensorKind[]): number | undefined {
  const { rank, sizes } = builder;
  const transfer = (kind: TensorKind, source: number, destination: number): Transfer =>
    builder.transfer(kind, { owner: source, source, destination, hop: 1 }, ulyssesHeads(kind, destination, sizes));
  return exchangeAll(
    builder,
    0,
    other => kinds.map(kind => transfer(kind, rank, other)),
    other => kinds.map(kind => transfer(kind, other, rank)),
  );
}

function collect(builder: ProgramBuilder, kinds: readonly TensorKind[]): number | undefined {
  const { rank, sizes } = builder;
  const transfer = (kind: TensorKind, source: number, destination: number): Transfer =>
    builder.transfer(kind, { owner: destination, source, destination, hop: 1 }, ulyssesHeads(kind, source, sizes));
  return exchangeAll(
    builder,
    0,
    other => kinds.map(kind => transfer(kind, rank, other)),
    other => kinds.map(kind => transfer(kind, other, rank)),
  );
}

function forward(builder: ProgramBuilder): number {
  const { rank, sizes, everybody } = builder;
  builder.wait(0, spread(builder, ['Q', 'K', 'V']));
  builder.attend(0, everybody, everybody, ulyssesHeads('Q', rank, sizes));
  for (const block of everybody) builder.merge(0, 'O', block);
  builder.wait(1, collect(builder, ['O']));
  builder.assemble(1, 'O');
  return 1;
}

/** Q, K, V, O and L of these heads are still here from the forward pass. */
function backward(builder: ProgramBuilder): number {
  const { rank, sizes, everybody } = builder;
  builder.wait(0, spread(builder, ['dO']));
  builder.differentiate(0, everybody, everybody, ulyssesHeads('Q', rank, sizes));
  for (const block of everybody) builder.merge(0, 'dQ', block);
  for (const shard of everybody) builder.merge(0, 'dK', shard);
  builder.wait(1, collect(builder, ['dQ', 'dK', 'dV']));
  builder.assemble(1, 'dQ');
  builder.assemble(1, 'dK');
  return 1;
}

export const ulysses: AlgorithmPrograms = {
  algorithm: 'ulysses',
  programs: { forward, backward },
  requireSizes: requireUlyssesHeads,
};
