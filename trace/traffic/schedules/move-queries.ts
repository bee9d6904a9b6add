/**
 * Two relatives of LV-XAttn that send partial outputs home directly. Pass-Q (2411.01783): queries go round the ring, all
 * partials travel in one all-to-all at the end. Gather-Q: all queries are fetched first. Forward only, as published.
 */
import { gatherAll, scatterHome } from './gathering.ts';
import type { AlgorithmPrograms, ProgramBuilder } from './program-builder.ts';
import { ringHop } from './ring-hop.ts';

function passForward(builder: ProgramBuilder): number {
  const { rank, ranks } = builder;
  let hop: number | undefined;
  for (let round = 0; round < ranks; round++) {
    const block = builder.neighbour(-round);
    builder.wait(round, hop);
    hop = round < ranks - 1 ? ringHop(builder, round, ['Q'], block, round + 1) : undefined;
    builder.attend(round, [block], [rank]);
    builder.merge(round, 'O', block);
  }
  mergeAtHome(builder, ranks - 1);
  return ranks;
}

function gatherForward(builder: ProgramBuilder): number {
  builder.wait(0, gatherAll(builder, 0, ['Q']));
  builder.attend(0, builder.everybody, [builder.rank]);
  for (const block of builder.everybody) builder.merge(0, 'O', block);
  mergeAtHome(builder, 0);
  return 1;
}

function mergeAtHome(builder: ProgramBuilder, lastRound: number): void {
  const home = scatterHome(builder, lastRound, ['O', 'L']);
  if (home === undefined) return;
  builder.wait(lastRound + 1, home);
  builder.merge(lastRound + 1, 'O', builder.rank);
}

export const passQ: AlgorithmPrograms = { algorithm: 'pass-q', programs: { forward: passForward } };
export const gatherQ: AlgorithmPrograms = { algorithm: 'gather-q', programs: { forward: gatherForward } };
