import { type ByteSource, openHeader, TensorFile } from './tensor-file.ts';
import type { SafetensorsHeader } from './safetensors.ts';
import { type RunMetadata, type TensorName, tensorNames } from './schema.ts';
import { parseMetadata, validateTensors } from './validation.ts';

export type { AxisRange, ByteSource, TensorShape, TensorSlice } from './tensor-file.ts';

/** An open trace of a run of a model on an image. */
export class TraceReader extends TensorFile<TensorName> {
  private constructor(
    source: ByteSource,
    readonly metadata: RunMetadata,
    { tensors }: SafetensorsHeader,
  ) {
    super(source, tensors, tensorNames);
  }

  /** Reads and validates the header. @throws TraceError naming the tensor at fault; the source is then closed. */
  static open(source: ByteSource): Promise<TraceReader> {
    return openHeader(source, header => {
      const metadata = parseMetadata(header.metadata);
      validateTensors(metadata, header.tensors);
      return new TraceReader(source, metadata, header);
    });
  }
}
