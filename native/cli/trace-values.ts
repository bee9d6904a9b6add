import { fromHalf } from '../../trace/half.ts';
import type { AxisRange, TraceReader } from '../../trace/reader.ts';
import type { TensorName } from '../../trace/schema.ts';

/** A part of a tensor as float32, whatever its precision in the file; axes without a range are read whole. */
export async function readFloats(
  trace: TraceReader,
  name: TensorName,
  ranges: readonly AxisRange[] = [],
): Promise<Float32Array> {
  const { dtype, data } = await trace.slice(name, ranges);
  switch (dtype) {
    case 'F16':
      return fromHalf(new Uint16Array(data.buffer));
    case 'F32':
      return new Float32Array(data.buffer);
    case 'F64':
      return Float32Array.from(new Float64Array(data.buffer));
    case 'I32':
      return Float32Array.from(new Int32Array(data.buffer));
    case 'U8':
      return Float32Array.from(data);
  }
}
