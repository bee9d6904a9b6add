/**
 * A trace of any kind inside a document, as a report embeds it: the metadata as JSON and one block of text per tensor,
 * each base64 of gzip of the coded bytes. Both ends share the coding, so that what was packed is what is read.
 */
import { fromHalf, toHalf } from './half.ts';
import type { TraceDtype } from './schema.ts';
import { bytesOf } from './writer.ts';

/** The document element that holds an `EmbeddedTrace` as JSON: the first of the document, or one after it. */
export const embeddedTraceId = (index = 0): string => (index === 0 ? 'fovea-run' : `fovea-run-${index + 1}`);

/**
 * `planes`: exact; all first bytes of the elements, then all second ones, because exponents compress well together.
 * `steps`: 8 bits per value; per map a float32 maximum, then per value the nearest of 255 equal steps up to it.
 */
export type Coding = 'planes' | 'steps';

export interface EmbeddedTensor {
  readonly name: string;
  readonly dtype: TraceDtype;
  readonly shape: readonly number[];
  readonly coding: Coding;
  /** Id of the document element that holds the block. */
  readonly block: string;
}

export interface EmbeddedTrace {
  /** What the reader of a document with several runs chooses it by. */
  readonly name?: string;
  /** The description, as the file has it; which kind of trace it is follows from that. */
  readonly metadata: object;
  /** Empty where the trace was too large to be embedded. */
  readonly tensors: readonly EmbeddedTensor[];
}

const steps = 255;
export const elementBytes: Readonly<Record<TraceDtype, number>> = { F64: 8, F32: 4, F16: 2, I32: 4, U8: 1 };

export function splitPlanes(data: Uint8Array, width: number): Uint8Array {
  const count = data.length / width;
  const planes = new Uint8Array(data.length);
  for (let byte = 0; byte < width; byte++)
    for (let i = 0; i < count; i++) planes[byte * count + i] = data[i * width + byte]!;
  return planes;
}

export function joinPlanes(planes: Uint8Array, width: number): Uint8Array {
  const count = planes.length / width;
  const data = new Uint8Array(planes.length);
  for (let byte = 0; byte < width; byte++)
    for (let i = 0; i < count; i++) data[i * width + byte] = planes[byte * count + i]!;
  return data;
}

/** @param values [maps, mapSize], not negative; off by at most half a step of the map's own maximum afterwards */
export function toSteps(values: Float32Array, mapSize: number): Uint8Array {
  const maps = mapSize === 0 ? 0 : values.length / mapSize;
  const maxima = new Float32Array(maps);
  const levels = new Uint8Array(values.length);
  for (let map = 0; map < maps; map++) {
    const end = (map + 1) * mapSize;
    let maximum = 0;
    for (let i = map * mapSize; i < end; i++) maximum = Math.max(maximum, values[i]!);
    maxima[map] = maximum;
    if (maximum > 0) for (let i = map * mapSize; i < end; i++) levels[i] = Math.round((values[i]! / maximum) * steps);
  }
  const coded = new Uint8Array(maxima.byteLength + levels.length);
  coded.set(bytesOf(maxima));
  coded.set(levels, maxima.byteLength);
  return coded;
}

export function fromSteps(coded: Uint8Array, mapSize: number): Float32Array {
  const maps = coded.length / (mapSize + 4);
  const maxima = new Float32Array(coded.slice(0, maps * 4).buffer);
  const values = new Float32Array(maps * mapSize);
  for (let i = 0; i < values.length; i++) values[i] = (coded[maps * 4 + i]! / steps) * maxima[Math.floor(i / mapSize)]!;
  return values;
}

/** A tensor's bytes for its block, before compression. @throws RangeError for `steps` of a tensor of whole numbers */
export function codeTensor(tensor: Pick<EmbeddedTensor, 'dtype' | 'shape' | 'coding'>, data: Uint8Array): Uint8Array {
  if (tensor.coding === 'planes') return splitPlanes(data, elementBytes[tensor.dtype]);
  const whole = data.slice().buffer;
  if (tensor.dtype === 'F16') return toSteps(fromHalf(new Uint16Array(whole)), tensor.shape.at(-1) ?? 0);
  if (tensor.dtype === 'F32') return toSteps(new Float32Array(whole), tensor.shape.at(-1) ?? 0);
  throw new RangeError(`A tensor of ${tensor.dtype} is not coded in steps.`);
}

/** The reverse of `codeTensor`; exact for `planes`. */
export function decodeTensor(
  tensor: Pick<EmbeddedTensor, 'dtype' | 'shape' | 'coding'>,
  coded: Uint8Array,
): Uint8Array {
  if (tensor.coding === 'planes') return joinPlanes(coded, elementBytes[tensor.dtype]);
  const values = fromSteps(coded, tensor.shape.at(-1) ?? 0);
  return bytesOf(tensor.dtype === 'F16' ? toHalf(values) : values);
}
