/** Slices of the tensors of a safetensors file, wherever its bytes lie. */
import { TraceError } from './errors.ts';
import {
  dtypeBytes,
  headerLength,
  lengthPrefixBytes,
  parseHeader,
  SafetensorsError,
  type SafetensorsHeader,
  type TensorEntry,
} from './safetensors.ts';
import type { TraceDtype } from './schema.ts';

/** Random access to a file's bytes, wherever it lies. */
export interface ByteSource {
  readonly size: number;
  /** Exactly `length` bytes from `offset`. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Half-open index range on one axis: [first, end). */
export type AxisRange = readonly [first: number, end: number];

export interface TensorSlice {
  readonly dtype: TraceDtype;
  readonly shape: readonly number[];
  /** Little-endian, row-major; owns its buffer, whole and tight, so that it may be posted to another process. */
  readonly data: Uint8Array;
}

export interface TensorShape {
  readonly dtype: TraceDtype;
  readonly shape: readonly number[];
}

/** Tensors of an open file, read slice by slice; only the header is in memory. */
export class TensorFile<Name extends string> {
  constructor(
    protected readonly source: ByteSource,
    private readonly entries: ReadonlyMap<string, TensorEntry>,
    private readonly names: readonly Name[],
  ) {}

  /** Those of the known tensors that the file has. */
  get tensors(): Readonly<Partial<Record<Name, TensorShape>>> {
    const shapes: Partial<Record<Name, TensorShape>> = {};
    for (const name of this.names) {
      const entry = this.entries.get(name);
      if (entry) shapes[name] = { dtype: entry.dtype as TraceDtype, shape: entry.shape };
    }
    return shapes;
  }

  /**
   * One hyper-rectangle of one tensor; axes without a range are read whole. Reads only the bytes between the first and
   * the last element of each contiguous run.
   * @throws TraceError `missing-tensor`, or `bad-value` for a range outside the tensor
   */
  async slice(name: Name, ranges: readonly AxisRange[] = []): Promise<TensorSlice> {
    const entry = this.entries.get(name);
    if (!entry) throw new TraceError('missing-tensor', `This trace has no tensor "${name}".`, name);
    const full = entry.shape.map((size, axis): AxisRange => ranges[axis] ?? [0, size]);
    checkRanges(name, entry.shape, full, ranges.length);
    const shape = full.map(([first, end]) => end - first);
    const runs = contiguousRuns(entry, full);
    const data = new Uint8Array(runs.length * (runs[0]?.length ?? 0));
    let written = 0;
    for (const run of runs) {
      data.set(await this.source.read(run.offset, run.length), written);
      written += run.length;
    }
    return { dtype: entry.dtype as TraceDtype, shape, data };
  }

  close(): Promise<void> {
    return this.source.close();
  }
}

/**
 * Reads a file's header and lets `understand` make a reader of it.
 * @throws TraceError; the source is then closed
 */
export async function openHeader<Reader>(
  source: ByteSource,
  understand: (header: SafetensorsHeader) => Reader,
): Promise<Reader> {
  try {
    return understand(await readHeader(source));
  } catch (error) {
    await source.close();
    if (error instanceof SafetensorsError) throw new TraceError('malformed', error.message, error.tensor);
    throw error;
  }
}

async function readHeader(source: ByteSource): Promise<SafetensorsHeader> {
  const prefix = await source.read(0, Math.min(lengthPrefixBytes, source.size));
  const length = headerLength(prefix, source.size);
  return parseHeader(await source.read(lengthPrefixBytes, length), source.size);
}

function checkRanges(name: string, shape: readonly number[], full: readonly AxisRange[], given: number): void {
  const inside = full.every(
    ([first, end], axis) =>
      Number.isInteger(first) && Number.isInteger(end) && first >= 0 && first <= end && end <= shape[axis]!,
  );
  if (!inside || given > shape.length) {
    const asked = full.map(([first, end]) => `${first}:${end}`).join(', ');
    throw new TraceError('bad-value', `Slice [${asked}] is outside "${name}" [${shape.join(', ')}].`, name);
  }
}

/** The equally long byte runs that make up the hyper-rectangle, in row-major order. */
function contiguousRuns(entry: TensorEntry, ranges: readonly AxisRange[]): { offset: number; length: number }[] {
  const width = dtypeBytes[entry.dtype];
  const strides: number[] = Array.from(entry.shape, () => width);
  for (let axis = entry.shape.length - 2; axis >= 0; axis--)
    strides[axis] = strides[axis + 1]! * entry.shape[axis + 1]!;
  if (ranges.some(([first, end]) => first === end)) return [];
  let inner = ranges.length - 1;
  while (inner > 0 && ranges[inner]![0] === 0 && ranges[inner]![1] === entry.shape[inner]) inner--;
  if (inner < 0) return [{ offset: entry.offset, length: width }];
  const [innerFirst, innerEnd] = ranges[inner]!;
  const length = (innerEnd - innerFirst) * strides[inner]!;
  let offsets = [entry.offset];
  for (let axis = 0; axis < inner; axis++) {
    const [first, end] = ranges[axis]!;
    offsets = offsets.flatMap(base =>
      Array.from({ length: end - first }, (_, i) => base + (first + i) * strides[axis]!),
    );
  }
  return offsets.map(base => ({ offset: base + innerFirst * strides[inner]!, length }));
}
