/** From what was asked for to tensors on ranks. */
import { rowTotal } from '../../trace/traffic/metadata.ts';
import type { LoadedModel } from '../analysis/loaded-model.ts';
import { availableMemory } from '../analysis/memory.ts';
import type { TrafficRequest } from '../rpc.ts';
import { imageWorkload } from './image-workload.ts';
import { sizesOf } from './run-traffic.ts';
import { embeddedMemory, findPreset, fittingScale, presetWorkload, sizesWorkload, type Workload } from './workload.ts';

/** FLOPs that an automatic scale allows: seconds to a minute on a laptop. */
const autoScaleFlops = 2e10;

type Asked = Pick<TrafficRequest, 'workload' | 'choices' | 'ranks' | 'pass' | 'element' | 'seed' | 'wire'>;

/** @param model kept loaded if given; @throws FoveaError, TrafficError */
export async function prepareWorkload(asked: Asked, signal?: AbortSignal, model?: LoadedModel): Promise<Workload> {
  const { workload, ranks, element, seed } = asked;
  switch (workload.kind) {
    case 'sizes':
      return sizesWorkload(workload.shape, workload.sharding, element, seed);
    case 'preset': {
      const choice = findPreset(workload.name);
      const fits = (candidate: Workload): boolean => fitsHere(candidate, asked);
      const scale = workload.scale === 'auto' ? fittingScale(choice, ranks, element, fits) : workload.scale;
      return presetWorkload(choice, ranks, element, seed, scale);
    }
    case 'images':
      return imageWorkload({ ...workload, ranks, element, signal, ...(model && { model }) });
  }
}

function fitsHere(workload: Workload, { choices, pass, wire }: Asked): boolean {
  return choices.every(choice => {
    const sizes = sizesOf({ workload, wire }, choice);
    const { shape, sharding } = sizes;
    const pairs = rowTotal(sharding.queryRows) * rowTotal(sharding.keyRows);
    const flops = 4 * pairs * shape.queryHeads * shape.headSize;
    return flops <= autoScaleFlops && embeddedMemory(choice.algorithm, pass, sizes) <= availableMemory() / 2;
  });
}
