import { readFileSync } from 'node:fs';
import { fromHalf } from '../../trace/half.ts';
import { headerLength, lengthPrefixBytes, parseHeader } from '../../trace/safetensors.ts';

export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Every tensor of a golden file, as float32 whatever its precision on disk. */
export function readGolden(file: URL): (name: string) => GoldenTensor {
  const bytes = readFileSync(file);
  const length = headerLength(bytes, bytes.length);
  const { tensors } = parseHeader(bytes.subarray(lengthPrefixBytes, lengthPrefixBytes + length), bytes.length);
  return name => {
    const entry = tensors.get(name);
    if (!entry) throw new Error(`${file.pathname} has no tensor ${name}`);
    const raw = new Uint8Array(bytes.subarray(entry.offset, entry.offset + entry.bytes)).buffer;
    switch (entry.dtype) {
      case 'F32':
        return { shape: entry.shape, data: new Float32Array(raw) };
      case 'F16':
        return { shape: entry.shape, data: fromHalf(new Uint16Array(raw)) };
      case 'I32':
        return { shape: entry.shape, data: Float32Array.from(new Int32Array(raw)) };
      case 'I64':
        return { shape: entry.shape, data: Float32Array.from(new BigInt64Array(raw), Number) };
      case 'U8':
        return { shape: entry.shape, data: Float32Array.from(new Uint8Array(raw)) };
      default:
        throw new Error(`${file.pathname}: ${name} has the unexpected dtype ${entry.dtype}`);
    }
  };
}

export function largestDifference(actual: Float32Array, expected: Float32Array): number {
  if (actual.length !== expected.length) throw new Error(`${actual.length} values, expected ${expected.length}`);
  let largest = 0;
  for (let i = 0; i < actual.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}
