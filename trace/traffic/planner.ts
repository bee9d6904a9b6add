/** Predicts a run from rates: time, exposed communication, bytes and memory, for one rank to thousands. */
import type { MaskedWork } from './masked-work.ts';
import { type Prediction, rowTotal } from './metadata.ts';
import type { Algorithm, Attend, Differentiate, Exchange, Pass, RankProgram, Sharding } from './schedule.ts';
import { buildProgram, buildSchedule } from './schedules/build-schedule.ts';
import { expectedBytes, sumByRank } from './formulas.ts';
import { mergedBytes } from './merged-bytes.ts';
import { peakBytes } from './residency.ts';
import { simulateRotated } from './rotated-timeline.ts';
import type { Sizes } from './sizes.ts';
import {
  type BlockStarts,
  blockStarts,
  type ComputeOperation,
  type Costs,
  simulate,
  type TimelineOptions,
  timelineTotals,
  type TimelineTotals,
} from './timeline.ts';

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
export const flopsPerPair = { attend: 4, differentiate: 10 } as const;

/**
 * @param masked counts what is computed behind a mask; else everything is
 * @param shift as `MaskedWork.pairs`
 */
export function flopsOf(
  operation: ComputeOperation,
  { shape, sharding }: Sizes,
  masked?: MaskedWork,
  shift = 0,
): number {
  if (operation.op !== 'attend' && operation.op !== 'differentiate') return 0;
  const pairs = masked ? masked.pairs(operation, shift) : allPairs(operation, sharding);
  return flopsPerPair[operation.op] * pairs * operation.heads * shape.headSize;
}

function allPairs({ queries, keys }: Attend | Differentiate, { queryRows, keyRows }: Sharding): number {
  return rowTotal(queries.map(block => queryRows[block]!)) * rowTotal(keys.map(shard => keyRows[shard]!));
}

/**
 * @param programs whose operations are asked for
 * @param rotated operations are those of rank 0, whichever rank is asked for (rotated-timeline.ts)
 */
export function costsOf(
  programs: readonly RankProgram[],
  sizes: Sizes,
  rates: Rates,
  masked?: MaskedWork,
  rotated = false,
): Costs {
  const merged = mergedBytes(programs, sizes);
  return {
    compute: (operation, rank) =>
      flopsOf(operation, sizes, masked, rotated ? rank : 0) / rates.flopsPerSecond +
      (merged.get(operation) ?? 0) / rates.memoryBandwidth,
    exchange: exchange => exchangeTime(exchange, rates),
  };
}

/** Both directions at once; several messages of one rank share its link. */
function exchangeTime({ sends, receives }: Exchange, { latency, bandwidth }: Rates): number {
  if (sends.length + receives.length === 0) return 0;
  const bytes = (transfers: Exchange['sends']): number => transfers.reduce((sum, transfer) => sum + transfer.bytes, 0);
  return latency + Math.max(bytes(sends), bytes(receives)) / bandwidth;
}

/** Above this, ranks with different rows are all taken for the fullest one: an upper bound. Masks keep their own rows. */
const mostRanksInDetail = 64;

export interface PredictionOptions extends TimelineOptions {
  /** Of these sizes; absent where every query sees every key. */
  readonly masked?: MaskedWork | undefined;
}

/** @throws TrafficError as `buildSchedule` */
export function predict(
  algorithm: Algorithm,
  pass: Pass,
  sizes: Sizes,
  rates: Rates,
  options: PredictionOptions = {},
): Prediction {
  return play(algorithm, pass, sizes, rates, options).prediction;
}

interface Played {
  readonly prediction: Prediction;
  /** Where ranks were played one by one. */
  readonly starts: BlockStarts | undefined;
  /** Of all ranks, or of rank 0 alone. */
  readonly programs: readonly RankProgram[];
}

function play(algorithm: Algorithm, pass: Pass, sizes: Sizes, rates: Rates, options: PredictionOptions): Played {
  const { sharding } = sizes;
  const { masked } = options;
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
  const rounds = roundsOf(programs[0]!);
  let played: { readonly totals: TimelineTotals; readonly starts: BlockStarts | undefined };
  if (masked && !detailed) {
    played = simulateRotated(programs[0]!, ranks, rounds, costsOf(programs, modelled, rates, masked, true), options);
  } else {
    const timelines = simulate(programs, costsOf(programs, modelled, rates, masked), options);
    played = { totals: timelineTotals(timelines), starts: detailed ? blockStarts(timelines, rounds) : undefined };
  }
  const { totals, starts } = played;
  const perRank = (values: readonly number[]): readonly number[] =>
    values.length === ranks ? values : Array.from({ length: ranks }, () => values[0]!);
  const prediction: Prediction = {
    total: totals.total,
    compute: perRank(totals.compute),
    communication: perRank(totals.communication),
    exposed: perRank(totals.exposed),
    stall: perRank(totals.stall),
    bound: boundOf(programs, rates, Math.max(...totals.compute)),
    flopsPerSecond: rates.flopsPerSecond,
    bandwidth: rates.bandwidth,
    latency: rates.latency,
    peakMemory: Math.max(...programs.map(program => peakBytes(program, modelled, pass === 'backward').total)),
  };
  return { prediction, starts, programs };
}

/** Rounds in which something is attended to. */
function roundsOf({ operations }: RankProgram): number {
  return operations.reduce(
    (most, { op, round }) => (op === 'attend' || op === 'differentiate' ? Math.max(most, round + 1) : most),
    1,
  );
}

function isEven({ sharding: { queryRows, keyRows } }: Sizes): boolean {
  return queryRows.every(rows => rows === queryRows[0]) && keyRows.every(rows => rows === keyRows[0]);
}

/** Which of the three takes the largest part when each is alone: compute of the busiest rank, links of rank 0. */
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
  readonly mask?: PlannedMask;
}

/** What a mask saves, and what it does not. */
export interface PlannedMask {
  /** Of all pairs of query and key: those that are visible, and those that ranks compute, hidden ones among them. */
  readonly visibleShare: number;
  readonly computedShare: number;
  /** FLOPs of the busiest rank over the mean; 1 where all ranks compute as much, or none does. */
  readonly imbalance: number;
  /** [ranks][rounds] */
  readonly blocks: {
    /** Seconds. */
    readonly started: BlockStarts;
    /** 0 where the rank sees nothing there and skips it. */
    readonly flops: readonly (readonly number[])[];
  };
}

/** @throws TrafficError as `buildSchedule` */
export function plan(algorithm: Algorithm, pass: Pass, sizes: Sizes, rates: Rates, masked?: MaskedWork): Plan {
  const ranks = sizes.sharding.queryRows.length;
  const { prediction, starts, programs } = play(algorithm, pass, sizes, rates, { masked });
  const bytesSentPerRank = sumByRank(expectedBytes(algorithm, pass, sizes), ranks);
  return {
    algorithm,
    pass,
    ranks,
    bytesSentPerRank,
    prediction,
    ...(masked && starts && { mask: plannedMask(pass, sizes, masked, programs, starts) }),
  };
}

function plannedMask(
  pass: Pass,
  sizes: Sizes,
  masked: MaskedWork,
  programs: readonly RankProgram[],
  started: BlockStarts,
): PlannedMask {
  const { shape } = sizes;
  const flops = started.map((rounds, rank) => {
    const own = rounds.map(() => 0);
    const program = programs[rank] ?? programs[0]!;
    for (const operation of program.operations)
      if (operation.op === 'attend' || operation.op === 'differentiate')
        own[operation.round] = flopsOf(operation, sizes, masked, rank - program.rank);
    return own;
  });
  const perRank = flops.map(rowTotal);
  const computed = rowTotal(perRank);
  const perPair = flopsPerPair[pass === 'forward' ? 'attend' : 'differentiate'];
  return {
    visibleShare: masked.visiblePairs / masked.allPairs,
    computedShare: computed / (perPair * masked.allPairs * shape.queryHeads * shape.headSize),
    imbalance: computed === 0 ? 1 : (Math.max(...perRank) * perRank.length) / computed,
    blocks: { started, flops },
  };
}
