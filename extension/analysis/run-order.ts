import path from 'node:path';
import type { RunMetadata } from '../../trace/schema.ts';
import type { RunAgain } from '../../webview/messages.ts';
import type { RunOrder } from './run.ts';

/** The method that reads several images at once. */
export const severalImagesMethod = 'llava-xattn';

/** Everything as the run was but for the method. */
export function orderOf(
  { model, generation, image, crossAttention }: Pick<RunMetadata, 'model' | 'generation' | 'image' | 'crossAttention'>,
  { method, variant, budget, parameters }: RunAgain,
  bundledModel: string,
): RunOrder {
  const { sources = [] } = crossAttention ?? {};
  const otherSources = sources.length > 1 || (sources.length === 1 && sources[0] !== image.path);
  return {
    // Other methods read one image: the first frame.
    ...(otherSources && method === severalImagesMethod && { sources }),
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
