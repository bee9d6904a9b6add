import type { HighResolution } from '../../trace/high-resolution.ts';
import type { HighResolutionProjections } from './high-resolution-weights.ts';
import type { DecoderLayerWeights, LinearWeights } from './model-weights.ts';
import { readWeight } from './read-weight.ts';

/** More elements than this are not read for a figure: seconds at LLaVA-1.5-7B. */
const mostElements = 20_000_000;

/**
 * How far training took the projections of high-resolution tokens from the decoder's own: relative Frobenius norm by layer.
 * Undefined where the weights are too large to read twice.
 */
export async function projectionDistances(
  { layers }: HighResolutionProjections,
  decoder: readonly DecoderLayerWeights[],
): Promise<HighResolution['weights']['distances']> {
  let elements = 0;
  for (const { key } of layers.values()) elements += 4 * key.weight.shape.reduce((product, size) => product * size, 1);
  if (elements > mostElements) return undefined;
  const distances: { layer: number; keys: number; values: number }[] = [];
  for (const [layer, { key, value }] of layers) {
    const own = decoder[layer]!;
    distances.push({ layer, keys: await distance(key, own.key), values: await distance(value, own.value) });
  }
  return distances;
}

async function distance({ weight }: LinearWeights, own: LinearWeights): Promise<number> {
  const [ours, theirs] = [await readWeight(weight), await readWeight(own.weight)];
  let [difference, size] = [0, 0];
  for (let index = 0; index < ours.length; index++) {
    difference += (ours[index]! - theirs[index]!) ** 2;
    size += theirs[index]! ** 2;
  }
  return Math.sqrt(difference / size);
}
