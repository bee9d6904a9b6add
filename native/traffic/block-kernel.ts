/** Attention of one query block to one key-value shard, in chunks of keys, by ONNX Runtime. */
import { keysPerChunk } from '../../trace/traffic/residency.ts';
import { HostTensor } from '../engine/onnx/host-tensor.ts';
import { OnnxSession, type SessionSettings } from '../engine/onnx/onnx-session.ts';
import { attentionBlockGraph, gradientBlockGraph } from '../graph/attention-block.ts';
import { mergeInto, type Statistics } from './statistics.ts';

/** Queries [heads, rows, size] against keys and values [heads, keys, size]; rows of grouped heads are folded together. */
export interface Block {
  readonly heads: number;
  readonly rows: number;
  readonly keys: number;
  readonly size: number;
  /** Scaled by 1 / sqrt(size). */
  readonly queries: Float32Array;
  readonly keyRows: Float32Array;
  readonly valueRows: Float32Array;
  /** First and end of the keys that each row sees, [rows, 2] within this shard; undefined where all see all. */
  readonly visible: Int32Array | undefined;
}

export interface GradientBlock extends Block {
  /** [heads, rows, size] */
  readonly outputGradient: Float32Array;
  /** [heads, rows], infinity for rows that see no key anywhere */
  readonly logSums: Float32Array;
  /** [heads, rows] */
  readonly delta: Float32Array;
}

export interface BlockGradients {
  /** [heads, rows, size], of the scaled queries */
  readonly queries: Float32Array;
  /** [heads, keys, size] */
  readonly keys: Float32Array;
  readonly values: Float32Array;
  /** As `BlockKernel.attend` returns. */
  readonly pairs: number;
}

type SessionName = 'attention' | 'gradient';

export class BlockKernel {
  private readonly sessions = new Map<string, OnnxSession>();

  constructor(private readonly settings: SessionSettings) {}

  /** @throws FoveaError `out-of-memory` or `device-unavailable` */
  async load(name: SessionName, masked: boolean): Promise<OnnxSession> {
    const key = `${name} ${masked}`;
    const known = this.sessions.get(key);
    if (known) return known;
    const graph = name === 'attention' ? attentionBlockGraph(masked) : gradientBlockGraph(masked);
    const session = await OnnxSession.load(graph, this.settings);
    this.sessions.set(key, session);
    return session;
  }

  /**
   * Adds the block's attention to `into`, whose rows are these rows.
   * @returns (row, key) pairs that were computed, over all heads; @throws FoveaError `out-of-memory`
   */
  async attend(block: Block, into: Pick<Statistics, 'accumulator' | 'maximum' | 'sum'>): Promise<number> {
    let pairs = 0;
    for (const chunk of chunksOf(block)) {
      const session = await this.load('attention', chunk.mask !== undefined);
      const { accumulator, maximum, sum } = await session.run(chunk.inputs, ['accumulator', 'maximum', 'sum']);
      mergeInto(into as Statistics, { accumulator: accumulator.data, maximum: maximum.data, sum: sum.data });
      pairs += block.heads * block.rows * chunk.count;
    }
    return pairs;
  }

  /** @throws FoveaError `out-of-memory` */
  async differentiate(block: GradientBlock): Promise<BlockGradients> {
    const { heads, rows, keys, size } = block;
    const gradients = {
      queries: new Float32Array(heads * rows * size),
      keys: new Float32Array(heads * keys * size),
      values: new Float32Array(heads * keys * size),
      pairs: 0,
    };
    for (const { first, count, mask, inputs } of chunksOf(block)) {
      const session = await this.load('gradient', mask !== undefined);
      const made = await session.run(
        {
          ...inputs,
          output_gradient: new HostTensor(block.outputGradient, [heads, rows, size]),
          log_sums: new HostTensor(block.logSums, [heads, rows, 1]),
          delta: new HostTensor(block.delta, [heads, rows, 1]),
        },
        ['query_gradient', 'key_gradient', 'value_gradient'],
      );
      gradients.pairs += heads * rows * count;
      addTo(gradients.queries, made.query_gradient.data);
      for (let head = 0; head < heads; head++) {
        const place = (head * keys + first) * size;
        const part = [head * count * size, (head + 1) * count * size] as const;
        gradients.keys.set(made.key_gradient.data.subarray(...part), place);
        gradients.values.set(made.value_gradient.data.subarray(...part), place);
      }
    }
    return gradients;
  }

  async release(): Promise<void> {
    for (const session of this.sessions.values()) await session.release();
    this.sessions.clear();
  }
}

export function addTo(sum: Float32Array, part: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += part[i]!;
}

interface Chunk {
  readonly first: number;
  readonly count: number;
  readonly mask: HostTensor | undefined;
  readonly inputs: Readonly<Record<string, HostTensor>>;
}

/** Chunks that no row sees are left out. */
function* chunksOf(block: Block): Generator<Chunk> {
  const { heads, rows, keys, size, queries, keyRows, valueRows, visible } = block;
  if (rows === 0) return;
  const step = keysPerChunk(heads * rows);
  for (let first = 0; first < keys; first += step) {
    const count = Math.min(step, keys - first);
    const seen = visibility(visible, first, count);
    if (seen === 'none') continue;
    const mask = seen === 'all' ? undefined : maskOf(visible!, first, count);
    const shape = [heads, count, size];
    yield {
      first,
      count,
      mask,
      inputs: {
        queries: new HostTensor(queries, [heads, rows, size]),
        keys: new HostTensor(chunkOf(keyRows, heads, keys, size, first, count), shape),
        values: new HostTensor(chunkOf(valueRows, heads, keys, size, first, count), shape),
        ...(mask && { mask }),
      },
    };
  }
}

function chunkOf(
  rows: Float32Array,
  heads: number,
  keys: number,
  size: number,
  first: number,
  count: number,
): Float32Array {
  if (count === keys) return rows;
  const chunk = new Float32Array(heads * count * size);
  for (let head = 0; head < heads; head++) {
    const start = (head * keys + first) * size;
    chunk.set(rows.subarray(start, start + count * size), head * count * size);
  }
  return chunk;
}

function visibility(visible: Int32Array | undefined, first: number, count: number): 'all' | 'some' | 'none' {
  if (!visible) return 'all';
  let [all, none] = [true, true];
  for (let row = 0; row < visible.length / 2; row++) {
    const [from, end] = [Math.max(visible[row * 2]!, first), Math.min(visible[row * 2 + 1]!, first + count)];
    if (end > from) none = false;
    if (end - from !== count) all = false;
  }
  return all ? 'all' : none ? 'none' : 'some';
}

function maskOf(visible: Int32Array, first: number, count: number): HostTensor {
  const rows = visible.length / 2;
  const mask = new Float32Array(rows * count).fill(-Infinity);
  for (let row = 0; row < rows; row++) {
    const from = Math.max(visible[row * 2]! - first, 0);
    const end = Math.min(visible[row * 2 + 1]! - first, count);
    if (end > from) mask.fill(0, row * count + from, row * count + end);
  }
  return new HostTensor(mask, [1, rows, count]);
}
