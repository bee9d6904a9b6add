import { TraceError } from './errors.ts';
import { encodeSafetensors, parseHeader, SafetensorsError, type TensorData, type TensorEntry } from './safetensors.ts';
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
  return encodeChecked(metadata, tensors, entries => {
    validateTensors(metadata, entries);
  });
}

/**
 * A file of any kind as consecutive byte parts; `check` sees the tensors as a reader would.
 * @throws TraceError naming the tensor at fault
 */
export function encodeChecked(
  description: object,
  tensors: Readonly<Record<string, TensorData>>,
  check: (entries: ReadonlyMap<string, TensorEntry>) => void,
): Uint8Array[] {
  try {
    const parts = encodeSafetensors(tensors, { format: formatName, [metadataKey]: JSON.stringify(description) });
    check(
      parseHeader(
        parts[1]!,
        parts.reduce((sum, part) => sum + part.length, 0),
      ).tensors,
    );
    return parts;
  } catch (error) {
    if (error instanceof SafetensorsError) throw new TraceError('wrong-tensor', error.message, error.tensor);
    throw error;
  }
}

/** The bytes of a typed array, little-endian as on every platform that Fovea runs on. */
export function bytesOf(values: Float64Array | Float32Array | Uint16Array | Int32Array | Uint8Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
