/** Packs a run into text blocks that a document can carry. */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { codeTensor, type Coding, type EmbeddedRun, type EmbeddedTensor } from '../../trace/embedding.ts';
import type { TraceReader } from '../../trace/reader.ts';
import { tensorNames, type TensorName } from '../../trace/schema.ts';

const compress = promisify(gzip);

/** Attention that takes more memory than this is not packed at all: browsers would not open the page. */
const largestAttention = 512e6;
/** Nor is a run whose blocks would be longer than this, in characters. */
const largestBlocks = 64e6;

export type EmbeddedPrecision =
  /** Every tensor as the trace has it. */
  | 'exact'
  /** Attention to the image in 8 bits, everything else as the trace has it. */
  | 'steps'
  /** Too large to be embedded. */
  | 'none';

export interface PackedRun {
  readonly run: EmbeddedRun;
  readonly blocks: readonly { readonly id: string; readonly base64: string }[];
  readonly precision: EmbeddedPrecision;
}

const large: TensorName = 'decoder.attention_to_image';

/**
 * @param room characters that the blocks may take before attention is rounded
 * @param block what the ids of its elements start with, for a document that holds several runs
 */
export async function packRun(trace: TraceReader, room: number, block = 'fovea'): Promise<PackedRun> {
  const nothing: PackedRun = { run: { metadata: trace.metadata, tensors: [] }, blocks: [], precision: 'none' };
  const shape = trace.tensors[large]?.shape ?? [];
  if (shape.reduce((product, size) => product * size, 2) > largestAttention) return nothing;
  const rest: PackedTensor[] = [];
  for (const name of tensorNames) {
    if (name !== large && trace.tensors[name]) rest.push(await packTensor(trace, name, 'planes', block));
  }
  const size = (packed: readonly PackedTensor[]): number => packed.reduce((sum, { base64 }) => sum + base64.length, 0);
  const exact = [...rest, await packTensor(trace, large, 'planes', block)];
  if (size(exact) <= room) return assemble(trace, exact, 'exact');
  const rounded = [...rest, await packTensor(trace, large, 'steps', block)];
  return size(rounded) <= largestBlocks ? assemble(trace, rounded, 'steps') : nothing;
}

interface PackedTensor {
  readonly tensor: EmbeddedTensor;
  readonly base64: string;
}

function assemble(trace: TraceReader, packed: readonly PackedTensor[], precision: EmbeddedPrecision): PackedRun {
  return {
    run: { metadata: trace.metadata, tensors: packed.map(({ tensor }) => tensor) },
    blocks: packed.map(({ tensor, base64 }) => ({ id: tensor.block, base64 })),
    precision,
  };
}

async function packTensor(trace: TraceReader, name: TensorName, coding: Coding, block: string): Promise<PackedTensor> {
  const { dtype, shape, data } = await trace.slice(name);
  const tensor: EmbeddedTensor = { name, dtype, shape, coding, block: `${block}-${name}` };
  return { tensor, base64: (await compress(codeTensor(tensor, data), { level: 9 })).toString('base64') };
}
