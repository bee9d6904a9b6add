/** How many (query row, key) pairs ranks compute of each query block and key-value shard where a mask hides some. */
import type { VisibleRun } from './masks.ts';
import { rowTotal } from './metadata.ts';
import { keysPerChunk } from './residency.ts';
import type { Attend, Differentiate, Sharding } from './schedule.ts';

/**
 * No rank computes exactly what is visible. Embedded ranks compute, for all rows of the block, each chunk of keys that
 * any row sees; torch ranks each shard that any row sees.
 */
export type ComputedParts = 'chunks' | 'shards';

interface PairSums {
  /** [blocks, shards] */
  readonly each: Float64Array;
  /** [blocks] and [shards] */
  readonly ofBlock: Float64Array;
  readonly ofShard: Float64Array;
  readonly total: number;
}

export class MaskedWork {
  /** Pairs that the mask lets through, and all there are, of one head. */
  readonly visiblePairs: number;
  readonly allPairs: number;
  private readonly ranks: number;
  private readonly seen: readonly (readonly KeyInterval[])[];
  private readonly sums = new Map<number, PairSums>();

  /** @param visible of all query rows, in order; @throws Error when they are not as many */
  constructor(
    visible: readonly VisibleRun[],
    private readonly sharding: Sharding,
    private readonly parts: ComputedParts,
  ) {
    const [rows, keys] = [rowTotal(sharding.queryRows), rowTotal(sharding.keyRows)];
    const described = visible.reduce((sum, run) => sum + run.rows, 0);
    if (described !== rows) throw new Error(`The mask is of ${described} rows, and there are ${rows}.`);
    this.ranks = sharding.queryRows.length;
    this.allPairs = rows * keys;
    this.visiblePairs = visible.reduce((sum, run) => {
      return sum + run.rows * Math.max(0, Math.min(run.end, keys) - Math.max(0, run.first));
    }, 0);
    this.seen = seenByBlock(visible, sharding.queryRows);
  }

  /**
   * Pairs that an operation computes, of one head; 0 where it is skipped.
   * @param shift added to every owner, around the ring: the same operation on the rank so much further
   */
  pairs({ queries, keys, heads }: Attend | Differentiate, shift = 0): number {
    const sums = this.sumsOf(heads);
    const { ranks } = this;
    if (queries.length === ranks && keys.length === ranks) return sums.total;
    let pairs = 0;
    for (const block of queries) {
      const row = (block + shift) % ranks;
      if (keys.length === ranks) pairs += sums.ofBlock[row]!;
      else if (queries.length < ranks)
        for (const shard of keys) pairs += sums.each[row * ranks + ((shard + shift) % ranks)]!;
    }
    if (queries.length === ranks) for (const shard of keys) pairs += sums.ofShard[(shard + shift) % ranks]!;
    return pairs;
  }

  /** @param heads of one operation: they decide how long chunks are */
  private sumsOf(heads: number): PairSums {
    const known = this.sums.get(heads);
    if (known) return known;
    const { ranks } = this;
    const each = new Float64Array(ranks * ranks);
    for (let block = 0; block < ranks; block++) this.fillBlock(block, heads, each);
    const [ofBlock, ofShard] = [new Float64Array(ranks), new Float64Array(ranks)];
    each.forEach((pairs, index) => {
      ofBlock[Math.floor(index / ranks)]! += pairs;
      ofShard[index % ranks]! += pairs;
    });
    const sums = { each, ofBlock, ofShard, total: ofBlock.reduce((sum, pairs) => sum + pairs, 0) };
    this.sums.set(heads, sums);
    return sums;
  }

  /** Goes over the shards and over what the block sees once, from left to right. */
  private fillBlock(block: number, heads: number, each: Float64Array): void {
    const { sharding, ranks, parts } = this;
    const rows = sharding.queryRows[block]!;
    const seen = this.seen[block]!;
    let [next, start] = [0, 0];
    for (let shard = 0; shard < ranks; shard++) {
      const keys = sharding.keyRows[shard]!;
      const end = start + keys;
      const step = parts === 'chunks' ? keysPerChunk(heads * rows) : Math.max(1, keys);
      let [computed, chunksDone] = [0, 0];
      while (next < seen.length && seen[next]![1] <= start) next++;
      for (let at = next; at < seen.length && seen[at]![0] < end; at++) {
        const [from, to] = seen[at]!;
        const first = Math.max(chunksDone, Math.floor((Math.max(from, start) - start) / step));
        const after = Math.ceil((Math.min(to, end) - start) / step);
        if (after <= first) continue;
        computed += Math.min(after * step, keys) - first * step;
        chunksDone = after;
      }
      each[block * ranks + shard] = rows * computed;
      start = end;
    }
  }
}

type KeyInterval = readonly [first: number, end: number];

/** Of each query block, the keys that any of its rows sees: disjoint intervals in order. */
function seenByBlock(visible: readonly VisibleRun[], queryRows: readonly number[]): KeyInterval[][] {
  let [run, left] = [0, visible[0]?.rows ?? 0];
  return queryRows.map(rows => {
    const intervals: KeyInterval[] = [];
    for (let open = rows; open > 0;) {
      const { first, end } = visible[run]!;
      if (end > first) intervals.push([Math.max(0, first), end]);
      const taken = Math.min(open, left);
      open -= taken;
      left -= taken;
      if (left === 0) left = visible[++run]?.rows ?? 0;
    }
    return joined(intervals);
  });
}

function joined(intervals: readonly KeyInterval[]): KeyInterval[] {
  const union: [number, number][] = [];
  for (const [first, end] of intervals.toSorted(([a], [b]) => a - b)) {
    const last = union.at(-1);
    if (last && first <= last[1]) last[1] = Math.max(last[1], end);
    else union.push([first, end]);
  }
  return union;
}
