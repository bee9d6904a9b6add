/** Predicts a run from rates: time, exposed communication, bytes and memory, for one rank to thousands. */
import type { Prediction } from './metadata.ts';
import type { Algorithm, AttentionShape, Exchange, Pass, RankProgram, WireOptions } from './schedule.ts';
import { bytesOfElement } from './schedule.ts';
import { buildProgram, buildSchedule } from './schedules/build-schedule.ts';
import { expectedBytes, sumByRank } from './formulas.ts';
import { peakBytes } from './residency.ts';
import { splitEvenly, type Sizes } from './sizes.ts';
import { type ComputeOperation, type Costs, simulate, type TimelineOptions, timelineTotals } from './timeline.ts';

/** Sustained rates of one rank and of one directed link. */
export interface Rates {
  /** FLOP/s of attention. */
  readonly flopsPerSecond: number;
  /** Bytes/s in each direction. */
  readonly bandwidth: number;
  /** Seconds per message exchange. */
  readonly latency: number;
  /** Bytes/s at which results are merged; Infinity leaves merging out. */
  readonly memoryBandwidth: number;
}

/** FLOPs of attention per query row, key row, head and element: two products forward, five backward. */
const forwardFlops = 4;
const backwardFlops = 10;

export function flopsOf(operation: ComputeOperation, { shape, sharding }: Sizes): number {
  if (operation.op !== 'attend' && operation.op !== 'differentiate') return 0;
  const rows = operation.queries.reduce((sum, block) => sum + sharding.queryRows[block]!, 0);
  const keys = operation.keys.reduce((sum, shard) => sum + sharding.keyRows[shard]!, 0);
  const perPair = operation.op === 'attend' ? forwardFlops : backwardFlops;
  return perPair * rows * keys * operation.heads * shape.headSize;
}

/** Bytes that are read and written to put results together: two operands and one result, in float32. */
export function mergedBytes(operation: ComputeOperation, { shape, sharding, wire }: Sizes): number {
  if (operation.op === 'attend' || operation.op === 'differentiate') return 0;
  const keyValue = operation.op !== 'delta' && operation.kind === 'dK';
  const rows = (keyValue ? sharding.keyRows : sharding.queryRows)[operation.owner]!;
  const keyValueHeads = wire.repeatKeyValueHeads ? shape.queryHeads : shape.keyValueHeads;
  const heads = keyValue ? 2 * keyValueHeads : shape.queryHeads;
  return 3 * 4 * rows * heads * shape.headSize;
}

export function costsOf(sizes: Sizes, rates: Rates): Costs {
  return {
    compute: operation =>
      flopsOf(operation, sizes) / rates.flopsPerSecond + mergedBytes(operation, sizes) / rates.memoryBandwidth,
    exchange: exchange => exchangeTime(exchange, rates),
  };
}

/** Both directions at once; several messages of one rank share its link. */
function exchangeTime({ sends, receives }: Exchange, { latency, bandwidth }: Rates): number {
  if (sends.length + receives.length === 0) return 0;
  const bytes = (transfers: Exchange['sends']): number => transfers.reduce((sum, transfer) => sum + transfer.bytes, 0);
  return latency + Math.max(bytes(sends), bytes(receives)) / bandwidth;
}

/** Above this, ranks with different rows are all taken for the fullest one: an upper bound. */
const mostRanksInDetail = 64;

/** @throws TrafficError as `buildSchedule` */
export function predict(
  algorithm: Algorithm,
  pass: Pass,
  sizes: Sizes,
  rates: Rates,
  options: TimelineOptions = {},
): Prediction {
  const { sharding } = sizes;
  const ranks = sharding.queryRows.length;
  const detailed = !isEven(sizes) && ranks <= mostRanksInDetail;
  const fullest: Sizes = {
    ...sizes,
    sharding: {
      queryRows: sharding.queryRows.map(() => Math.max(...sharding.queryRows)),
      keyRows: sharding.keyRows.map(() => Math.max(...sharding.keyRows)),
    },
  };
  const modelled = detailed ? sizes : fullest;
  const programs: readonly RankProgram[] = detailed
    ? buildSchedule(algorithm, pass, sizes).programs
    : [buildProgram(algorithm, pass, fullest, 0)];
  const totals = timelineTotals(simulate(programs, costsOf(modelled, rates), options));
  const perRank = (values: readonly number[]): readonly number[] =>
    detailed ? values : Array.from({ length: ranks }, () => values[0]!);
  return {
    total: totals.total,
    compute: perRank(totals.compute),
    communication: perRank(totals.communication),
    exposed: perRank(totals.exposed),
    stall: perRank(totals.stall),
    bound: boundOf(programs, rates, totals.compute[0]!),
    flopsPerSecond: rates.flopsPerSecond,
    bandwidth: rates.bandwidth,
    latency: rates.latency,
    peakMemory: Math.max(...programs.map(program => peakBytes(program, modelled, pass === 'backward').total)),
  };
}

function isEven({ sharding: { queryRows, keyRows } }: Sizes): boolean {
  return queryRows.every(rows => rows === queryRows[0]) && keyRows.every(rows => rows === keyRows[0]);
}

/** Which of the three takes the largest part when each is alone on rank 0. */
function boundOf(programs: readonly RankProgram[], rates: Rates, compute: number): Prediction['bound'] {
  const exchanges = programs[0]!.operations.filter(operation => operation.op === 'exchange');
  const sum = (of: Rates): number => exchanges.reduce((total, exchange) => total + exchangeTime(exchange, of), 0);
  const transfer = sum({ ...rates, latency: 0 });
  const latency = sum({ ...rates, bandwidth: Infinity });
  if (compute >= transfer + latency) return 'compute';
  return transfer >= latency ? 'communication' : 'latency';
}

export interface Plan {
  readonly algorithm: Algorithm;
  readonly pass: Pass;
  readonly ranks: number;
  readonly bytesSentPerRank: readonly number[];
  readonly prediction: Prediction;
}

/** @throws TrafficError as `buildSchedule` */
export function plan(algorithm: Algorithm, pass: Pass, sizes: Sizes, rates: Rates): Plan {
  const ranks = sizes.sharding.queryRows.length;
  const prediction = predict(algorithm, pass, sizes, rates);
  const bytesSentPerRank = sumByRank(expectedBytes(algorithm, pass, sizes), ranks);
  return { algorithm, pass, ranks, bytesSentPerRank, prediction };
}

/** Long or short queries and keys: who waits for links, who for arithmetic (LV-XAttn, figure 7 and appendix A). */
export interface QuadrantThresholds {
  /** From so many keys LV-XAttn computes longer than it sends: n e F / 2 W, whatever the queries are. */
  readonly keys: number;
  /** Up to so many queries ring attention sends longer than it computes: n e F h' / (2 W h). */
  readonly queries: number;
}

export function quadrantThresholds(
  ranks: number,
  shape: AttentionShape,
  wire: WireOptions,
  rates: Rates,
): QuadrantThresholds {
  const keys = (ranks * bytesOfElement[wire.element] * rates.flopsPerSecond) / (2 * rates.bandwidth);
  const sentHeads = wire.repeatKeyValueHeads ? shape.queryHeads : shape.keyValueHeads;
  return { keys, queries: (keys * sentHeads) / shape.queryHeads };
}

export interface QuadrantCell {
  readonly queries: number;
  readonly keys: number;
  /** Seconds. */
  readonly lvXattn: number;
  readonly ring: number;
  /** ring / lvXattn: above 1 LV-XAttn is faster. */
  readonly speedup: number;
}

/** One cell per pair, keys outermost. @throws TrafficError as `buildSchedule` */
export function quadrantMap(
  queries: readonly number[],
  keys: readonly number[],
  point: {
    readonly ranks: number;
    readonly pass: Pass;
    readonly shape: AttentionShape;
    readonly wire: WireOptions;
    readonly rates: Rates;
  },
): QuadrantCell[] {
  const { ranks, pass, shape, wire, rates } = point;
  return keys.flatMap(keyRows =>
    queries.map((queryRows): QuadrantCell => {
      const sharding = { queryRows: splitEvenly(queryRows, ranks), keyRows: splitEvenly(keyRows, ranks) };
      const time = (algorithm: Algorithm): number => {
        const repeat = algorithm === 'ring' && wire.repeatKeyValueHeads;
        return predict(algorithm, pass, { shape, sharding, wire: { ...wire, repeatKeyValueHeads: repeat } }, rates)
          .total;
      };
      const [lvXattn, ring] = [time('lv-xattn'), time('ring')];
      return { queries: queryRows, keys: keyRows, lvXattn, ring, speedup: ring / lvXattn };
    }),
  );
}
