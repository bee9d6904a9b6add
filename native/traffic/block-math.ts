/** The arithmetic of a rank: attention and gradients of blocks in its store. */
import { keysPerChunk } from '../../trace/traffic/residency.ts';
import type { Attend, Differentiate, TensorKind } from '../../trace/traffic/schedule.ts';
import { isKeyValue, rowsOf } from '../../trace/traffic/sizes.ts';
import type { Block, BlockKernel } from './block-kernel.ts';
import type { RankResults, RankSetup } from './protocol.ts';
import { headsOfPiece, type Piece, type RankStore } from './rank-store.ts';
import { emptyStatistics, logSumExp, mergeInto, normalize } from './statistics.ts';

export class BlockMath {
  private scratch = 0;
  private pairs = 0;

  constructor(
    private readonly setup: RankSetup,
    private readonly store: RankStore,
    private readonly kernel: BlockKernel,
  ) {}

  /** Own blocks; keys and values repeated to all query heads where they travel so. */
  storeInputs(): void {
    const { rank, inputs, sizes } = this.setup;
    const { queryHeads, keyValueHeads } = sizes.shape;
    for (const kind of ['Q', 'K', 'V', 'dO'] as const) {
      const data = inputs[kind];
      if (!data) continue;
      const heads = isKeyValue(kind) ? keyValueHeads : queryHeads;
      const piece: Piece = { firstHead: 0, heads, rows: rowsOf(kind, rank, sizes), data };
      const repeat = isKeyValue(kind) && sizes.wire.repeatKeyValueHeads;
      this.store.set(kind, rank, repeat ? repeatHeads(piece, queryHeads / keyValueHeads) : piece);
    }
  }

  /** Bytes of intermediate results since the last call. */
  takeScratch(): number {
    const { scratch } = this;
    this.scratch = 0;
    return scratch;
  }

  /** (row, key) pairs that were computed since the last call, over all heads. */
  takePairs(): number {
    const { pairs } = this;
    this.pairs = 0;
    return pairs;
  }

  async attend({ queries, keys, firstHead, heads }: Attend): Promise<void> {
    for (const owner of queries) {
      const rows = rowsOf('Q', owner, this.setup.sizes);
      const statistics = emptyStatistics(firstHead, heads, rows, this.setup.sizes.shape.headSize);
      for (const shard of keys) {
        const pairs = await this.kernel.attend(this.block(owner, shard, firstHead, heads), statistics);
        this.pairs += pairs;
      }
      this.store.addOutput(owner, statistics);
    }
  }

  /** dO (V) and D of the whole block are needed, whatever shards there are: the softmax is over all of them. */
  async differentiate({ queries, keys, firstHead, heads }: Differentiate): Promise<void> {
    const { headSize } = this.setup.sizes.shape;
    for (const owner of queries) {
      const rows = rowsOf('Q', owner, this.setup.sizes);
      const outputGradient = headsOfPiece(this.piece('dO', owner), firstHead, heads);
      const logSums = headsOfPiece(this.piece('L', owner), firstHead, heads).map(value =>
        value === -Infinity ? Infinity : value,
      );
      const delta = this.store.find('D', owner)
        ? headsOfPiece(this.piece('D', owner), firstHead, heads)
        : rowSums(outputGradient, headsOfPiece(this.piece('O', owner), firstHead, heads), headSize);
      for (const shard of keys) {
        const block = this.block(owner, shard, firstHead, heads);
        const gradients = await this.kernel.differentiate({ ...block, outputGradient, logSums, delta });
        this.pairs += gradients.pairs;
        const scale = 1 / Math.sqrt(headSize);
        this.store.addGradient('dQ', owner, {
          firstHead,
          heads,
          rows,
          data: gradients.queries.map(value => value * scale),
        });
        const layout = { ...this.keyHeads(shard, firstHead, heads), rows: block.keys };
        this.store.addGradient('dK', shard, { ...layout, data: gradients.keys });
        this.store.addGradient('dV', shard, { ...layout, data: gradients.values });
      }
    }
  }

  delta(owner: number): void {
    const [output, gradient] = [this.piece('O', owner), this.piece('dO', owner)];
    const data = rowSums(gradient.data, output.data, this.setup.sizes.shape.headSize);
    this.store.set('D', owner, { firstHead: 0, heads: output.heads, rows: output.rows, data });
  }

  assembleOutput(owner: number): void {
    const { queryHeads, headSize } = this.setup.sizes.shape;
    const whole = emptyStatistics(0, queryHeads, rowsOf('O', owner, this.setup.sizes), headSize);
    for (const { firstHead, accumulator, maximum, sum } of this.store.outputs.get(owner) ?? []) {
      whole.accumulator.set(accumulator, firstHead * whole.rows * headSize);
      whole.maximum.set(maximum, firstHead * whole.rows);
      whole.sum.set(sum, firstHead * whole.rows);
    }
    this.store.outputs.set(owner, [whole]);
  }

  /** Query rows of the operation that see at least one of its keys. */
  rowsVisible({ queries, keys }: Attend | Differentiate): number {
    return queries.reduce((sum, owner) => {
      const rows = rowsOf('Q', owner, this.setup.sizes);
      let seeing = 0;
      for (let row = 0; row < rows; row++) {
        if (keys.some(shard => this.seenBy(owner, row, shard, rowsOf('K', shard, this.setup.sizes))[2])) seeing++;
      }
      return sum + seeing;
    }, 0);
  }

  /** What is left of this rank's own blocks when all is done. */
  results(withLogSums: boolean): RankResults {
    const { rank, sizes } = this.setup;
    const [output, ...rest] = this.store.outputs.get(rank) ?? [];
    if (output) {
      for (const part of rest) mergeInto(output, part);
      normalize(output);
    }
    const repeats = sizes.wire.repeatKeyValueHeads ? sizes.shape.queryHeads / sizes.shape.keyValueHeads : 1;
    const gradient = (kind: 'dQ' | 'dK' | 'dV'): Float32Array | undefined => {
      const [piece] = this.store.gradientParts(kind, rank);
      return piece && (kind === 'dQ' || repeats === 1 ? piece.data : sumHeads(piece, repeats));
    };
    const [dQ, dK, dV] = [gradient('dQ'), gradient('dK'), gradient('dV')];
    return {
      ...(output && { O: output.accumulator }),
      ...(output && withLogSums && { L: logSumExp(output) }),
      ...(dQ && { dQ }),
      ...(dK && { dK }),
      ...(dV && { dV }),
    };
  }

  /** O and L of the own block stay for the backward pass. */
  keepResults(): void {
    const { rank, sizes } = this.setup;
    if (this.setup.keepBlocks) return;
    const { O, L } = this.results(true);
    if (!O || !L) return;
    const layout = { firstHead: 0, heads: sizes.shape.queryHeads, rows: rowsOf('Q', rank, sizes) };
    this.store.set('O', rank, { ...layout, data: O });
    this.store.set('L', rank, { ...layout, data: L });
    this.store.outputs.clear();
  }

  /** A block without rows was never sent. */
  private piece(kind: TensorKind, owner: number): Piece {
    const piece = this.store.find(kind, owner);
    if (piece) return piece;
    if (rowsOf(kind, owner, this.setup.sizes) > 0) {
      throw new Error(`This rank has no ${kind} of rank ${owner}; the schedule is wrong.`);
    }
    const heads = isKeyValue(kind) ? this.setup.sizes.shape.keyValueHeads : this.setup.sizes.shape.queryHeads;
    return { firstHead: 0, heads, rows: 0, data: new Float32Array(0) };
  }

  /** Which heads of a shard these query heads need. */
  private keyHeads(shard: number, firstHead: number, heads: number): { firstHead: number; heads: number } {
    const { shape, wire } = this.setup.sizes;
    const total = wire.repeatKeyValueHeads ? shape.queryHeads : shape.keyValueHeads;
    const group = shape.queryHeads / total;
    const first = Math.floor(firstHead / group);
    const piece = this.piece('K', shard);
    const count = Math.max(1, heads / group);
    if (piece.rows > 0 && (first < piece.firstHead || first + count > piece.firstHead + piece.heads)) {
      throw new Error(`This rank has other heads of shard ${shard} than it needs; the schedule is wrong.`);
    }
    return { firstHead: first, heads: count };
  }

  private block(owner: number, shard: number, firstHead: number, heads: number): Block {
    const { headSize } = this.setup.sizes.shape;
    const scale = 1 / Math.sqrt(headSize);
    const queries = headsOfPiece(this.piece('Q', owner), firstHead, heads).map(value => value * scale);
    const needed = this.keyHeads(shard, firstHead, heads);
    const [keyPiece, valuePiece] = [this.piece('K', shard), this.piece('V', shard)];
    const rows = (heads / needed.heads) * rowsOf('Q', owner, this.setup.sizes);
    const keys = keyPiece.rows;
    const scores = needed.heads * rows;
    this.scratch = Math.max(this.scratch, scores * Math.min(keys, keysPerChunk(scores)) * 4);
    return {
      heads: needed.heads,
      rows,
      keys,
      size: headSize,
      queries,
      keyRows: headsOfPiece(keyPiece, needed.firstHead, needed.heads),
      valueRows: headsOfPiece(valuePiece, needed.firstHead, needed.heads),
      visible: this.visibleKeys(owner, shard, keys, heads / needed.heads),
    };
  }

  /** [folded rows, 2], within the shard */
  private visibleKeys(owner: number, shard: number, keys: number, folded: number): Int32Array | undefined {
    if (!this.setup.visible) return undefined;
    const rows = rowsOf('Q', owner, this.setup.sizes);
    const visible = new Int32Array(folded * rows * 2);
    for (let row = 0; row < folded * rows; row++) {
      const [first, end] = this.seenBy(owner, row % rows, shard, keys);
      visible[row * 2] = first;
      visible[row * 2 + 1] = end;
    }
    return visible;
  }

  private seenBy(owner: number, row: number, shard: number, keys: number): readonly [number, number, boolean] {
    const { visible, sizes } = this.setup;
    if (!visible) return [0, keys, keys > 0];
    const before = (rows: readonly number[], rank: number): number =>
      rows.slice(0, rank).reduce((sum, count) => sum + count, 0);
    const query = before(sizes.sharding.queryRows, owner) + row;
    const offset = before(sizes.sharding.keyRows, shard);
    const first = Math.max(0, visible[query * 2]! - offset);
    const end = Math.min(keys, visible[query * 2 + 1]! - offset);
    return [first, end, end > first];
  }
}

function rowSums(left: Float32Array, right: Float32Array, width: number): Float32Array {
  return Float32Array.from({ length: left.length / width }, (_, row) => {
    let sum = 0;
    for (let i = row * width; i < (row + 1) * width; i++) sum += left[i]! * right[i]!;
    return sum;
  });
}

function repeatHeads({ heads, rows, data }: Piece, times: number): Piece {
  const perHead = data.length / heads;
  const repeated = new Float32Array(data.length * times);
  for (let head = 0; head < heads * times; head++) {
    const from = Math.floor(head / times) * perHead;
    repeated.set(data.subarray(from, from + perHead), head * perHead);
  }
  return { firstHead: 0, heads: heads * times, rows, data: repeated };
}

function sumHeads({ heads, data }: Piece, group: number): Float32Array {
  const perHead = data.length / heads;
  const sums = new Float32Array(data.length / group);
  for (let i = 0; i < data.length; i++) {
    const head = Math.floor(i / perHead / group);
    sums[head * perHead + (i % perHead)]! += data[i]!;
  }
  return sums;
}
