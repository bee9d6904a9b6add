import path from 'node:path';
import type { RunMetadata } from '../../trace/schema.ts';
import type { RunAgain } from '../../webview/messages.ts';
import type { RunOrder } from './run.ts';

/** Everything as the run was but for the method. */
export function orderOf(
  { model, generation }: Pick<RunMetadata, 'model' | 'generation'>,
  { method, variant, budget, parameters }: RunAgain,
  bundledModel: string,
): RunOrder {
  return {
    ...(model.bundled
      ? { modelFolder: bundledModel }
      : path.isAbsolute(model.folder)
        ? { modelFolder: model.folder }
        : {}),
    maxNewTokens: generation.maxNewTokens,
    sampling: generation.sampling,
    method: { name: method, parameters, ...(variant && { variant }), ...(budget !== undefined && { budget }) },
  };
}
