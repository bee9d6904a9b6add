/** From what was asked for to tensors on ranks. */
import { evenFrames, type Mask, maskOfWorkload, visibleIntervals } from '../../trace/traffic/masks.ts';
import { rowTotal } from '../../trace/traffic/metadata.ts';
import type { LoadedModel } from '../analysis/loaded-model.ts';
import { availableMemory } from '../analysis/memory.ts';
import { FoveaError } from '../errors.ts';
import type { TrafficRequest } from '../rpc.ts';
import { imageWorkload } from './image-workload.ts';
import { sizesOf } from './run-traffic.ts';
import { embeddedMemory, findPreset, fittingScale, presetWorkload, sizesWorkload, type Workload } from './workload.ts';

/** FLOPs that an automatic scale allows: seconds to a minute on a laptop. */
const autoScaleFlops = 2e10;

type Asked = Pick<TrafficRequest, 'workload' | 'choices' | 'ranks' | 'pass' | 'element' | 'seed' | 'wire'> & {
  readonly mask?: Mask;
};

const defaultFrames = 8;

/** @param model kept loaded if given; @throws FoveaError, TrafficError */
export async function prepareWorkload(asked: Asked, signal?: AbortSignal, model?: LoadedModel): Promise<Workload> {
  const workload = await unmaskedWorkload(asked, signal, model);
  return asked.mask ? maskedWorkload(workload, asked.mask) : workload;
}

function maskedWorkload(workload: Workload, mask: Mask): Workload {
  const { sharding, frames } = workload.description;
  const [rows, keys] = [rowTotal(sharding.queryRows), rowTotal(sharding.keyRows)];
  const wanted = 'frames' in mask ? mask.frames : undefined;
  if (frames && wanted !== undefined) {
    const hint = 'Leave the number out: --mask ' + mask.name;
    throw new FoveaError(
      'usage',
      `These images have ${frames.length === 1 ? 'one frame' : `${frames.length} frames`} of their own.`,
      hint,
    );
  }
  const spans = frames ?? evenFrames(keys, wanted ?? defaultFrames);
  return {
    ...workload,
    description: {
      ...workload.description,
      mask: maskOfWorkload[mask.name],
      ...('frames' in mask && !frames && { maskFrames: spans.length }),
      ...('share' in mask && { maskShare: mask.share }),
    },
    visible: visibleIntervals(mask, rows, keys, spans),
  };
}

async function unmaskedWorkload(asked: Asked, signal?: AbortSignal, model?: LoadedModel): Promise<Workload> {
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
