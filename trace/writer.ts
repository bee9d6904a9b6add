import { TraceError } from './errors.ts';
import { encodeSafetensors, parseHeader, SafetensorsError, type TensorData } from './safetensors.ts';
import { formatName, metadataKey, type RunMetadata, type TensorName, type TraceDtype } from './schema.ts';
import { validateMetadata, validateTensors } from './validation.ts';

export interface TraceTensor extends TensorData {
  readonly dtype: TraceDtype;
}

export type TraceTensors = Readonly<Partial<Record<TensorName, TraceTensor>>>;

/**
 * A trace as consecutive byte parts, checked by the same rules that a reader applies.
 * @throws TraceError naming the tensor at fault
 */
export function encodeTrace(metadata: RunMetadata, tensors: TraceTensors): Uint8Array[] {
  validateMetadata(metadata);
  try {
    const parts = encodeSafetensors(tensors, { format: formatName, [metadataKey]: JSON.stringify(metadata) });
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    validateTensors(metadata, parseHeader(parts[1]!, bytes).tensors);
    return parts;
  } catch (error) {
    if (error instanceof SafetensorsError) throw new TraceError('wrong-tensor', error.message, error.tensor);
    throw error;
  }
}

/** The bytes of a typed array, little-endian as on every platform that Fovea runs on. */
export function bytesOf(values: Float32Array | Uint16Array | Int32Array | Uint8Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
