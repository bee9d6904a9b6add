import type { ParameterValue, RunMetadata } from '../../trace/schema.ts';
import { traceExtension } from '../../trace/schema.ts';
import { imagePathOf } from '../editor/image-of-trace.ts';
import type { PipelineRequest } from '../pipeline/client.ts';

const liveEnding = `-live${traceExtension}`;

/** Where a run is written again while its method is edited: beside the first one, which stays as it was. */
export function liveTracePath(trace: string): string {
  if (trace.endsWith(liveEnding)) return trace;
  const stem = trace.endsWith(traceExtension) ? trace.slice(0, -traceExtension.length) : trace;
  return stem + liveEnding;
}

/**
 * As the run was, with the module as it is now: only parameters that were set by hand are set again.
 * @param trace path of the run
 * @param settings what a trace does not say
 */
export function liveRequest(
  trace: string,
  { image, prompt, model, generation, method }: RunMetadata,
  module: string,
  bundledModel: string,
  settings: Pick<PipelineRequest, 'device' | 'threads' | 'visionTower'>,
): PipelineRequest {
  const { beside, budget, given = [] } = method;
  const parameters: Record<string, ParameterValue> = Object.fromEntries(
    given.map(name => [name, method.parameters[name]!]),
  );
  // What was set by hand of the second method is not recorded apart, so that all of it is set.
  for (const [name, value] of Object.entries(beside?.parameters ?? {})) parameters[`${beside!.name}.${name}`] = value;
  if (beside?.variant) parameters[`${beside.name}.variant`] = beside.variant;
  return {
    imagePath: imagePathOf({ image }) ?? '',
    question: prompt.question,
    modelFolder: model.bundled ? bundledModel : model.folder,
    ...(settings.visionTower !== undefined && { visionTower: settings.visionTower }),
    tracePath: liveTracePath(trace),
    maxNewTokens: generation.maxNewTokens,
    sampling: generation.sampling,
    method: {
      name: beside ? `${module}+${beside.name}` : module,
      ...(budget && { budget: budget.asked }),
      ...(Object.keys(parameters).length > 0 && { parameters }),
    },
    device: settings.device,
    threads: settings.threads,
  };
}
