/** Where every tensor of a checkpoint lies on disk. */
import type { Dtype, TensorEntry } from '../../trace/safetensors.ts';

/** Data types that the graphs can compute with. */
export const weightTypes = ['F32', 'F16', 'BF16'] as const satisfies readonly Dtype[];
export type WeightType = (typeof weightTypes)[number];

export interface StoredTensor extends TensorEntry {
  /** Name in the file. */
  readonly name: string;
  /** Absolute path of the file, symbolic links resolved. */
  readonly file: string;
}

export interface Weight extends StoredTensor {
  readonly dtype: WeightType;
}

/** Name in the file to its place. */
export type WeightIndex = ReadonlyMap<string, StoredTensor>;

export function isWeight(tensor: StoredTensor): tensor is Weight {
  return weightTypes.some(type => type === tensor.dtype);
}
