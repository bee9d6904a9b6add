/** Packs a trace of any kind into text blocks that a document can carry. */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import {
  codeTensor,
  type Coding,
  elementBytes,
  type EmbeddedTensor,
  type EmbeddedTrace,
} from '../../trace/embedding.ts';
import type { TensorShape, TensorSlice } from '../../trace/tensor-file.ts';

const compress = promisify(gzip);

/** Tensors that take more memory than this are not packed at all: browsers would not open the page. */
const largestTrace = 512e6;
/** Nor is a trace whose blocks would be longer than this, in characters. */
const largestBlocks = 64e6;

/** An open trace, whatever it holds. */
export interface PackableTrace {
  readonly metadata: object;
  readonly tensors: Readonly<Partial<Record<string, TensorShape>>>;
  slice(name: string): Promise<TensorSlice>;
}

export interface PackedTrace {
  readonly trace: EmbeddedTrace;
  readonly blocks: readonly { readonly id: string; readonly base64: string }[];
  /**
   * `exact`: every tensor as the trace has it; `steps`: attention to images in 8 bits, everything else as the trace has it;
   * `none`: too large to be embedded.
   */
  readonly precision: 'exact' | 'steps' | 'none';
}

/** Maps of attention, by far the largest tensors; a picture of one shows 256 colours at most. */
const maps: readonly string[] = [
  'decoder.attention_to_image',
  'workload.region_attention',
  'cross_attention.to_tokens',
];

/**
 * @param room characters that the blocks may take before attention is rounded
 * @param block what the ids of its elements start with, for a document that holds several traces
 */
export async function packTrace(trace: PackableTrace, room: number, block = 'fovea'): Promise<PackedTrace> {
  const nothing: PackedTrace = { trace: { metadata: trace.metadata, tensors: [] }, blocks: [], precision: 'none' };
  const shapes = Object.entries(trace.tensors).flatMap(([name, shape]) => (shape ? [[name, shape] as const] : []));
  const bytes = shapes.map(([, { dtype, shape }]) =>
    shape.reduce((product, size) => product * size, elementBytes[dtype]),
  );
  if (sum(bytes) > largestTrace) return nothing;
  const pack = async (names: readonly string[], coding: Coding): Promise<PackedTensor[]> => {
    const packed: PackedTensor[] = [];
    for (const name of names) packed.push(await packTensor(trace, name, coding, block));
    return packed;
  };
  const names = shapes.map(([name]) => name);
  const rest = await pack(
    names.filter(name => !maps.includes(name)),
    'planes',
  );
  const roundable = names.filter(name => maps.includes(name));
  const exact = [...rest, ...(await pack(roundable, 'planes'))];
  if (length(exact) <= room || (roundable.length === 0 && length(exact) <= largestBlocks))
    return assemble(trace, exact, 'exact');
  const rounded = [...rest, ...(await pack(roundable, 'steps'))];
  return length(rounded) <= largestBlocks ? assemble(trace, rounded, 'steps') : nothing;
}

interface PackedTensor {
  readonly tensor: EmbeddedTensor;
  readonly base64: string;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const length = (packed: readonly PackedTensor[]): number => sum(packed.map(({ base64 }) => base64.length));

function assemble(
  { metadata }: PackableTrace,
  packed: readonly PackedTensor[],
  precision: PackedTrace['precision'],
): PackedTrace {
  return {
    trace: { metadata, tensors: packed.map(({ tensor }) => tensor) },
    blocks: packed.map(({ tensor, base64 }) => ({ id: tensor.block, base64 })),
    precision,
  };
}

async function packTensor(trace: PackableTrace, name: string, coding: Coding, block: string): Promise<PackedTensor> {
  const { dtype, shape, data } = await trace.slice(name);
  const tensor: EmbeddedTensor = { name, dtype, shape, coding, block: `${block}-${name}` };
  return { tensor, base64: (await compress(codeTensor(tensor, data), { level: 9 })).toString('base64') };
}
