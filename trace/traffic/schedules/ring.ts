/**
 * Ring attention (Liu et al., 2310.01889): queries stay, key-value shards travel. With repeated heads as LV-XAttn's
 * drivers run it, else with the key-value heads as they are (ring-flash-attention).
 */
import type { AlgorithmPrograms, ProgramBuilder } from './program-builder.ts';
import { ringHop } from './ring-hop.ts';

function forward(builder: ProgramBuilder): number {
  const { rank, ranks } = builder;
  let hop: number | undefined;
  for (let round = 0; round < ranks; round++) {
    const shard = builder.neighbour(-round);
    builder.wait(round, hop);
    hop = round < ranks - 1 ? ringHop(builder, round, ['K', 'V'], shard, round + 1) : undefined;
    builder.attend(round, [rank], [shard]);
    builder.merge(round, 'O', rank);
  }
  return ranks;
}

/** dK and dV follow their shard one hop behind and come home with a last one. */
function backward(builder: ProgramBuilder): number {
  const { rank, ranks } = builder;
  let hop: number | undefined;
  let gradientHop: number | undefined;
  for (let round = 0; round < ranks; round++) {
    const shard = builder.neighbour(-round);
    builder.wait(round, hop);
    hop = round < ranks - 1 ? ringHop(builder, round, ['K', 'V'], shard, round + 1) : undefined;
    builder.differentiate(round, [rank], [shard]);
    builder.wait(round, gradientHop);
    builder.merge(round, 'dK', shard);
    if (ranks > 1) gradientHop = ringHop(builder, round, ['dK', 'dV'], shard, round + 1);
  }
  builder.wait(ranks, gradientHop);
  builder.merge(ranks, 'dQ', rank);
  return ranks;
}

export const ring: AlgorithmPrograms = { algorithm: 'ring', programs: { forward, backward } };
