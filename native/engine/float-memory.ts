import { FoveaError } from '../errors.ts';

/** Zeros. @throws FoveaError `out-of-memory`, where JavaScript throws a RangeError that says less */
export function allocateFloats(length: number): Float32Array {
  try {
    return new Float32Array(length);
  } catch (error) {
    throw outOfMemory(`allocating ${(length * 4) / 1e9} GB`, error);
  }
}

/** @param doing what the memory was for, e.g. "loading decoder_layer_3" */
export function outOfMemory(doing: string, cause: unknown): FoveaError {
  return new FoveaError(
    'out-of-memory',
    `Memory ran out while ${doing}.`,
    'Close other programs, or choose a smaller model. Weights take 4 bytes per parameter while they are in use.',
    { cause },
  );
}
