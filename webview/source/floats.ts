import { fromHalf } from '../../trace/half.ts';
import type { Slice } from './trace-source.ts';

/** The values of a slice as single precision; whole numbers are exact below 2²⁴. */
export function floatsOf({ dtype, data }: Pick<Slice, 'dtype' | 'data'>): Float32Array {
  const tight = data.byteOffset % 4 === 0 ? data : data.slice();
  const { buffer, byteOffset, byteLength } = tight;
  switch (dtype) {
    case 'F16':
      return fromHalf(new Uint16Array(buffer, byteOffset, byteLength / 2));
    case 'F32':
      return new Float32Array(buffer, byteOffset, byteLength / 4);
    case 'F64':
    case 'I32':
      return Float32Array.from(new Int32Array(buffer, byteOffset, byteLength / 4));
    case 'U8':
      return Float32Array.from(tight);
  }
}
