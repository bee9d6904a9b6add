import { FoveaError } from '../../errors.ts';
import type { EngineTensor } from '../engine.ts';
import { allocateFloats } from '../float-memory.ts';

/** A tensor in this process's memory: what sessions take and give. */
export class HostTensor implements EngineTensor {
  constructor(
    readonly data: Float32Array,
    readonly shape: readonly number[],
  ) {}

  static zeros(shape: readonly number[]): HostTensor {
    return new HostTensor(allocateFloats(shape.reduce((product, size) => product * size, 1)), shape);
  }

  /** @throws TypeError for a tensor of another engine */
  static of(tensor: EngineTensor): HostTensor {
    if (tensor instanceof HostTensor) return tensor;
    throw new TypeError('This tensor belongs to another engine.');
  }

  /** Size of one axis. */
  size(axis: number): number {
    return this.shape[axis] ?? 0;
  }
}

/** @throws FoveaError `shape-mismatch` */
export function requireSize(what: string, found: number, expected: number): void {
  if (found === expected) return;
  const hint = 'The image or the prompt was prepared for another model. Reload the window; if it stays, report it.';
  throw new FoveaError('shape-mismatch', `The engine was given ${found} ${what} instead of ${expected}.`, hint);
}
