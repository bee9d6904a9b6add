/** Every rank fetches all keys and values before it starts, as context parallelism of Llama 3 does (2407.21783, 3.3.2). */
import { gatherAll, scatterHome } from './gathering.ts';
import type { AlgorithmPrograms, ProgramBuilder } from './program-builder.ts';

function forward(builder: ProgramBuilder): number {
  builder.wait(0, gatherAll(builder, 0, ['K', 'V']));
  builder.attend(0, [builder.rank], builder.everybody);
  builder.merge(0, 'O', builder.rank);
  return 1;
}

/** Gathers keys and values again, then reduces and scatters dK and dV. */
function backward(builder: ProgramBuilder): number {
  const { rank } = builder;
  builder.wait(0, gatherAll(builder, 0, ['K', 'V']));
  builder.differentiate(0, [rank], builder.everybody);
  builder.merge(0, 'dQ', rank);
  builder.wait(1, scatterHome(builder, 0, ['dK', 'dV']));
  builder.merge(1, 'dK', rank);
  return 1;
}

export const allGather: AlgorithmPrograms = { algorithm: 'all-gather', programs: { forward, backward } };
