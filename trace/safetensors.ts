/**
 * The safetensors container (https://github.com/huggingface/safetensors#format): an 8-byte little-endian header length,
 * a JSON header, then the tensors without gaps. Shared by traces, checkpoints and golden files.
 */

export const dtypeBytes = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;
export type Dtype = keyof typeof dtypeBytes;

export interface TensorEntry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The file breaks the container's rules; `tensor` names the entry at fault, when one is. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError';
  constructor(
    message: string,
    readonly tensor?: string,
  ) {
    super(message);
  }
}

/** Headers above this are refused, as in the reference implementation. */
const maxHeaderBytes = 100_000_000;
export const lengthPrefixBytes = 8;

/** The header's length in bytes, read from the first 8 bytes of a file of `fileBytes`. @throws SafetensorsError */
export function headerLength(prefix: Uint8Array, fileBytes: number): number {
  if (prefix.length < lengthPrefixBytes) {
    throw new SafetensorsError(
      `The file has ${fileBytes} bytes; a safetensors file starts with 8 bytes of header length.`,
    );
  }
  const length = Number(new DataView(prefix.buffer, prefix.byteOffset, lengthPrefixBytes).getBigUint64(0, true));
  if (length > maxHeaderBytes || lengthPrefixBytes + length > fileBytes) {
    throw new SafetensorsError(
      `The header claims ${length} bytes, but the file has ${fileBytes}: no safetensors file, or cut short.`,
    );
  }
  return length;
}

/** Checks names, dtypes, shapes, and that the tensors fill the file without gap or overlap. @throws SafetensorsError */
export function parseHeader(json: Uint8Array, fileBytes: number): SafetensorsHeader {
  const dataStart = lengthPrefixBytes + json.length;
  const parsed = parseJsonObject(json);
  const tensors = new Map<string, TensorEntry>();
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(parsed)) {
    if (name === '__metadata__') metadata = stringRecord(value);
    else tensors.set(name, parseEntry(name, value, dataStart));
  }
  checkLayout(tensors, dataStart, fileBytes);
  return { tensors, metadata };
}

function parseJsonObject(json: Uint8Array): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch (cause) {
    throw new SafetensorsError(
      `The header is not valid JSON: ${cause instanceof Error ? cause.message : String(cause)}`,
    );
  }
  if (!isRecord(parsed)) throw new SafetensorsError('The header is not a JSON object.');
  return parsed;
}

function parseEntry(name: string, value: unknown, dataStart: number): TensorEntry {
  const fail = (what: string): never => {
    throw new SafetensorsError(`Tensor "${name}" ${what}.`, name);
  };
  if (!isRecord(value)) return fail('is not described by an object');
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !(dtype in dtypeBytes))
    return fail(`has the unknown dtype ${JSON.stringify(dtype)}`);
  if (!isSizes(shape)) return fail(`has the bad shape ${JSON.stringify(shape)}`);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[1]! < offsets[0]!)
    return fail(`has the bad offsets ${JSON.stringify(offsets)}`);
  const bytes = offsets[1]! - offsets[0]!;
  const wanted = elementCount(shape) * dtypeBytes[dtype as Dtype];
  if (bytes !== wanted) return fail(`has ${bytes} bytes, but ${dtype} [${shape.join(', ')}] needs ${wanted}`);
  return { dtype: dtype as Dtype, shape, offset: dataStart + offsets[0]!, bytes };
}

function checkLayout(tensors: ReadonlyMap<string, TensorEntry>, dataStart: number, fileBytes: number): void {
  let end = dataStart;
  for (const [name, entry] of [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.bytes - b.bytes)) {
    if (entry.offset !== end) {
      const problem = entry.offset < end ? 'overlaps the tensor before it' : 'leaves a gap before it';
      throw new SafetensorsError(`Tensor "${name}" ${problem} at byte ${entry.offset}.`, name);
    }
    end += entry.bytes;
    if (end > fileBytes) {
      throw new SafetensorsError(
        `Tensor "${name}" ends at byte ${end}, but the file has ${fileBytes}: it was cut short.`,
        name,
      );
    }
  }
  if (end !== fileBytes) throw new SafetensorsError(`${fileBytes - end} bytes follow the last tensor.`);
}

export interface TensorData {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Little-endian, row-major, tightly sized. */
  readonly data: Uint8Array;
}

/** The file as consecutive parts. Wide dtypes come first, so that every tensor is aligned to its own width. */
export function encodeSafetensors(
  tensors: Readonly<Record<string, TensorData>>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array[] {
  const entries = Object.entries(tensors).sort(
    ([nameA, a], [nameB, b]) => dtypeBytes[b.dtype] - dtypeBytes[a.dtype] || (nameA < nameB ? -1 : 1),
  );
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const [name, { dtype, shape, data }] of entries) {
    const wanted = elementCount(shape) * dtypeBytes[dtype];
    if (data.length !== wanted) {
      throw new SafetensorsError(
        `Tensor "${name}": ${dtype} [${shape.join(', ')}] needs ${wanted} bytes, got ${data.length}.`,
        name,
      );
    }
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.length] };
    offset += data.length;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20);
  padded.set(json);
  const prefix = new Uint8Array(lengthPrefixBytes);
  new DataView(prefix.buffer).setBigUint64(0, BigInt(padded.length), true);
  return [prefix, padded, ...entries.map(([, { data }]) => data)];
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(size => Number.isSafeInteger(size) && (size as number) >= 0);
}

function stringRecord(value: unknown): Record<string, string> {
  if (!isRecord(value) || !Object.values(value).every(entry => typeof entry === 'string')) {
    throw new SafetensorsError('__metadata__ is not a map of strings.');
  }
  return value as Record<string, string>;
}
