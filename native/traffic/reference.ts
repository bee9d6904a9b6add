/**
 * The same attention on one device, in float64 and in plain loops: what results are compared with. It shares no
 * arithmetic with the ranks. Softmax in two passes over all keys at once.
 */
import { rowTotal } from '../../trace/traffic/metadata.ts';
import type { Sizes } from '../../trace/traffic/sizes.ts';
import { letOthersRun } from '../analysis/interruption.ts';
import type { RankInputs } from './protocol.ts';

export interface ReferenceProblem {
  readonly sizes: Pick<Sizes, 'shape' | 'sharding'>;
  readonly inputs: readonly RankInputs[];
  readonly visible?: Int32Array | undefined;
}

/** One query row of all heads. */
export interface ReferenceRow {
  readonly owner: number;
  /** Row within its block. */
  readonly row: number;
  /** Whether it sees any key. */
  readonly sees: boolean;
  /** [heads, head size] */
  readonly O: Float64Array;
  /** [heads], minus infinity where no key is seen */
  readonly L: Float64Array;
  /** The same over the first shards only, in the order asked for: after 1, 2 ... all of them. */
  readonly prefixes: readonly { readonly O: Float64Array; readonly L: Float64Array }[];
  /** [heads, head size], when gradients are asked for */
  readonly dQ: Float64Array;
}

export interface Reference {
  readonly rows: readonly ReferenceRow[];
  /** Per shard [key-value heads, rows, head size]; only when every row was computed. */
  readonly dK: readonly Float64Array[];
  readonly dV: readonly Float64Array[];
  /** Every row, or a sample of them. */
  readonly complete: boolean;
}

export interface ReferenceWishes {
  readonly gradients: boolean;
  /** In which order a block meets the shards: away from its owner (`ascending`, LV-XAttn) or towards it (ring). */
  readonly prefixes: 'ascending' | 'descending' | 'none';
  /** The most FLOPs to spend; beyond it rows are sampled evenly. */
  readonly budget: number;
  readonly signal?: AbortSignal | undefined;
}

/** @throws FoveaError `cancelled` */
export async function computeReference(problem: ReferenceProblem, wishes: ReferenceWishes): Promise<Reference> {
  const { shape, sharding } = problem.sizes;
  const queries = sharding.queryRows.flatMap((rows, owner) =>
    Array.from({ length: rows }, (_, row) => ({ owner, row })),
  );
  const factor = (wishes.gradients ? 14 : 4) + (wishes.prefixes === 'none' ? 0 : 4);
  const perRow = factor * rowTotal(sharding.keyRows) * shape.queryHeads * shape.headSize;
  const count = Math.max(1, Math.min(queries.length, Math.floor(wishes.budget / perRow)));
  const chosen = Array.from({ length: count }, (_, index) => queries[Math.floor((index * queries.length) / count)]!);
  const keyLength = (shard: number): number => shape.keyValueHeads * sharding.keyRows[shard]! * shape.headSize;
  const dK = sharding.keyRows.map((_, shard) => new Float64Array(wishes.gradients ? keyLength(shard) : 0));
  const dV = sharding.keyRows.map((_, shard) => new Float64Array(wishes.gradients ? keyLength(shard) : 0));
  const rows: ReferenceRow[] = [];
  for (const { owner, row } of chosen) {
    rows.push(referenceRow(problem, wishes, owner, row, dK, dV));
    await letOthersRun(wishes.signal);
  }
  return { rows, dK, dV, complete: count === queries.length };
}

function referenceRow(
  { sizes: { shape, sharding }, inputs, visible }: ReferenceProblem,
  { gradients, prefixes }: ReferenceWishes,
  owner: number,
  row: number,
  dK: readonly Float64Array[],
  dV: readonly Float64Array[],
): ReferenceRow {
  const { queryHeads, keyValueHeads, headSize } = shape;
  const ranks = sharding.queryRows.length;
  const scale = 1 / Math.sqrt(headSize);
  const query = rowTotal(sharding.queryRows.slice(0, owner)) + row;
  const [from, end] = visible ? [visible[query * 2]!, visible[query * 2 + 1]!] : [0, Infinity];
  const order = Array.from({ length: ranks }, (_, step) =>
    prefixes === 'descending' ? (owner - step + ranks) % ranks : (owner + step) % ranks,
  );
  const spans = order.map(shard => {
    const offset = rowTotal(sharding.keyRows.slice(0, shard));
    const first = Math.max(0, from - offset);
    return { shard, first, count: Math.max(0, Math.min(sharding.keyRows[shard]!, end - offset) - first) };
  });
  const seen = spans.reduce((sum, { count }) => sum + count, 0);
  const result = {
    owner,
    row,
    sees: seen > 0,
    O: new Float64Array(queryHeads * headSize),
    L: new Float64Array(queryHeads).fill(-Infinity),
    prefixes:
      prefixes === 'none'
        ? []
        : spans.map(() => ({
            O: new Float64Array(queryHeads * headSize),
            L: new Float64Array(queryHeads).fill(-Infinity),
          })),
    dQ: new Float64Array(gradients ? queryHeads * headSize : 0),
  };
  const block = inputs[owner]!;
  const logits = new Float64Array(seen);
  for (let head = 0; head < queryHeads; head++) {
    const keyHead = Math.floor((head * keyValueHeads) / queryHeads);
    const q = (head * sharding.queryRows[owner]! + row) * headSize;
    const keyRow = (shard: number, key: number): number => (keyHead * sharding.keyRows[shard]! + key) * headSize;
    let index = 0;
    for (const { shard, first, count } of spans) {
      const keys = inputs[shard]!.K;
      for (let key = first; key < first + count; key++) {
        const k = keyRow(shard, key);
        let product = 0;
        for (let i = 0; i < headSize; i++) product += block.Q[q + i]! * keys[k + i]!;
        logits[index++] = product * scale;
      }
    }
    const attend = (until: number, O: Float64Array, L: Float64Array): void => {
      const places = spans.slice(0, until);
      const length = places.reduce((sum, { count }) => sum + count, 0);
      if (length === 0) return;
      let maximum = -Infinity;
      for (let i = 0; i < length; i++) maximum = Math.max(maximum, logits[i]!);
      let sum = 0;
      for (let i = 0; i < length; i++) sum += Math.exp(logits[i]! - maximum);
      L[head] = maximum + Math.log(sum);
      let at = 0;
      for (const { shard, first, count } of places) {
        const values = inputs[shard]!.V;
        for (let key = first; key < first + count; key++) {
          const weight = Math.exp(logits[at++]! - maximum) / sum;
          const v = keyRow(shard, key);
          for (let i = 0; i < headSize; i++) O[head * headSize + i]! += weight * values[v + i]!;
        }
      }
    };
    attend(spans.length, result.O, result.L);
    result.prefixes.forEach(({ O, L }, step) => {
      attend(step + 1, O, L);
    });
    if (!gradients || seen === 0) continue;
    const dO = block.dO!;
    let delta = 0;
    for (let i = 0; i < headSize; i++) delta += dO[q + i]! * result.O[head * headSize + i]!;
    index = 0;
    for (const { shard, first, count } of spans) {
      const { K, V } = inputs[shard]!;
      for (let key = first; key < first + count; key++) {
        const k = keyRow(shard, key);
        const weight = Math.exp(logits[index++]! - result.L[head]!);
        let product = 0;
        for (let i = 0; i < headSize; i++) product += dO[q + i]! * V[k + i]!;
        const logitGradient = weight * (product - delta) * scale;
        for (let i = 0; i < headSize; i++) {
          result.dQ[head * headSize + i]! += logitGradient * K[k + i]!;
          dK[shard]![k + i]! += logitGradient * block.Q[q + i]!;
          dV[shard]![k + i]! += weight * dO[q + i]!;
        }
      }
    }
  }
  return result;
}
