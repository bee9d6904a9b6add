import { TraceReader } from '../../trace/reader.ts';
import type { RunMetadata, TensorName } from '../../trace/schema.ts';
import type { ByteSource } from '../../trace/tensor-file.ts';
import type { AxisRange, Slice, TensorShape, TraceSource } from './trace-source.ts';

/** A run that lies in the document itself, as a report carries it. */
export class EmbeddedSource implements TraceSource {
  private constructor(private readonly reader: TraceReader) {}

  /** @throws TraceError */
  static async open(file: ByteSource): Promise<EmbeddedSource> {
    return new EmbeddedSource(await TraceReader.open(file));
  }

  get metadata(): RunMetadata {
    return this.reader.metadata;
  }

  get tensors(): Readonly<Partial<Record<TensorName, TensorShape>>> {
    return this.reader.tensors;
  }

  slice(tensor: TensorName, ranges: readonly AxisRange[] = []): Promise<Slice> {
    return this.reader.slice(tensor, ranges);
  }
}
