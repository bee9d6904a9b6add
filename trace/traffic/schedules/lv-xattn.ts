/**
 * LV-XAttn (Chang and Venkataraman, ICML 2025, section 3.1 and algorithm 1): keys and values stay, query blocks travel,
 * and their output goes with them. Order of transfers as in the authors' code; round 0 starts from the first partial.
 */
import type { TensorKind } from '../schedule.ts';
import type { AlgorithmPrograms, ProgramBuilder } from './program-builder.ts';
import { ringHop } from './ring-hop.ts';

function forward(builder: ProgramBuilder): number {
  const { rank, ranks } = builder;
  let queryHop: number | undefined;
  let outputHop: number | undefined;
  for (let round = 0; round < ranks; round++) {
    const block = builder.neighbour(-round);
    builder.wait(round, queryHop);
    queryHop = round < ranks - 1 ? ringHop(builder, round, ['Q'], block, round + 1) : undefined;
    builder.attend(round, [block], [rank]);
    builder.wait(round, outputHop);
    builder.merge(round, 'O', block);
    // In the last round, too: that hop brings every block home.
    if (ranks > 1) outputHop = ringHop(builder, round, ['O', 'L'], block, round + 1);
  }
  builder.wait(ranks, outputHop);
  return ranks;
}

/** Section 3.1, backward: what a block needs travels with it, dQ follows one hop behind, dK and dV stay. */
function backward(builder: ProgramBuilder): number {
  const { rank, ranks, sizes } = builder;
  const official = sizes.wire.backward === 'official';
  const pack: readonly TensorKind[] = official ? ['Q', 'L', 'O', 'dO'] : ['Q', 'dO', 'L', 'D'];
  if (!official) builder.delta(0);
  let packHop: number | undefined;
  let gradientHop: number | undefined;
  for (let round = 0; round < ranks; round++) {
    const block = builder.neighbour(-round);
    builder.wait(round, packHop);
    packHop = round < ranks - 1 ? ringHop(builder, round, pack, block, round + 1, official) : undefined;
    builder.differentiate(round, [block], [rank]);
    builder.wait(round, gradientHop);
    builder.merge(round, 'dQ', block);
    if (ranks > 1) gradientHop = ringHop(builder, round, ['dQ'], block, round + 1);
  }
  builder.wait(ranks, gradientHop);
  builder.merge(ranks, 'dK', rank);
  return ranks;
}

export const lvXattn: AlgorithmPrograms = { algorithm: 'lv-xattn', programs: { forward, backward } };
