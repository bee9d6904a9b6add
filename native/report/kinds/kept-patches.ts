/** Which patches still belonged to a visual token when a run's token method was done. */
import type { TraceReader } from '../../../trace/reader.ts';
import { fateNames } from '../../../trace/fates.ts';

const gone = new Set([fateNames.indexOf('dropped'), fateNames.indexOf('absent')]);

/** [patches], 1 where the patch is part of a token after the last stage; all of them without a method. */
export async function keptPatches(trace: TraceReader): Promise<Uint8Array> {
  const { visual, reduction } = trace.metadata;
  const patches = visual.grid.rows * visual.grid.columns;
  const stages = reduction?.stages.length ?? 0;
  if (stages === 0 || !trace.tensors['fates.fate']) return new Uint8Array(patches).fill(1);
  const { data } = await trace.slice('fates.fate', [[stages - 1, stages]]);
  return data.map(fate => (gone.has(fate) ? 0 : 1));
}
