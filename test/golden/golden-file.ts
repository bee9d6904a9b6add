import { readFileSync } from 'node:fs';
import { fromHalf } from '../../trace/half.ts';
import { headerLength, lengthPrefixBytes, parseHeader, type Dtype } from '../../trace/safetensors.ts';

export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

const conversions: Partial<Record<Dtype, (raw: ArrayBuffer) => Float32Array>> = {
  F32: raw => new Float32Array(raw),
  F16: raw => fromHalf(new Uint16Array(raw)),
  I32: raw => Float32Array.from(new Int32Array(raw)),
  I64: raw => Float32Array.from(new BigInt64Array(raw), Number),
  BOOL: raw => Float32Array.from(new Uint8Array(raw)),
  U8: raw => Float32Array.from(new Uint8Array(raw)),
};

/** Every tensor of a golden file, as float32 whatever its precision on disk. */
export function readGolden(file: URL): (name: string) => GoldenTensor {
  const bytes = readFileSync(file);
  const length = headerLength(bytes, bytes.length);
  const { tensors } = parseHeader(bytes.subarray(lengthPrefixBytes, lengthPrefixBytes + length), bytes.length);
  return name => {
    const entry = tensors.get(name);
    if (!entry) throw new Error(`${file.pathname} has no tensor ${name}`);
    const raw = new Uint8Array(bytes.subarray(entry.offset, entry.offset + entry.bytes)).buffer;
    const toFloats = conversions[entry.dtype];
    if (!toFloats) throw new Error(`${file.pathname}: ${name} has the unexpected dtype ${entry.dtype}`);
    return { shape: entry.shape, data: toFloats(raw) };
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
