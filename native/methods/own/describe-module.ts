import type { ModelShape, TokenMethod } from '../method.ts';
import { loadOwnMethod, type OwnMethod } from './own-method.ts';

/** A list waits for every module in it, so one that loops must not hold it up for long. */
const describeSeconds = 5;

export interface DescribedModule {
  readonly method: Pick<TokenMethod, 'name' | 'title' | 'summary' | 'variants' | 'budget' | 'parameters'>;
  readonly module: OwnMethod['module'];
}

/** What a module says of itself, nothing of it left running. @throws FoveaError `usage` or `method-failed` */
export async function describeModule(path: string, shape: ModelShape): Promise<DescribedModule> {
  const { method, module, dispose } = await loadOwnMethod(path, shape, undefined, describeSeconds);
  await dispose();
  return { method, module };
}
