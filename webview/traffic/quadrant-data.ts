/** The map of sizes on which LV-XAttn or ring attention is faster, around a trace's workload. */
import { runLabel, type TrafficWorkload, rowTotal } from '../../trace/traffic/metadata.ts';
import {
  quadrantMap,
  quadrantThresholds,
  type QuadrantCell,
  type QuadrantThresholds,
} from '../../trace/traffic/quadrants.ts';
import { ratesOfRun, type RunRates } from '../../trace/traffic/run-rates.ts';
import type { Pass } from '../../trace/traffic/schedule.ts';
import type { RunTraffic } from './run-traffic.ts';

export interface QuadrantData {
  readonly pass: Pass;
  readonly ranks: number;
  readonly known: RunRates;
  /** As the ring sends its heads. */
  readonly ring: string;
  readonly queries: readonly number[];
  readonly keys: readonly number[];
  /** [keys][queries], as the axes */
  readonly cells: readonly (readonly QuadrantCell[])[];
  readonly thresholds: QuadrantThresholds;
  /** This trace's workload. */
  readonly here: QuadrantCell;
  /** Ring over LV-XAttn as they ran, where both did. */
  readonly measured: number | undefined;
}

/** Cells of each axis, and fewer where a prediction goes over many rounds. */
const steps = 17;
const coarseSteps = 9;
const manyRanks = 64;
/** Octaves around the workload and the thresholds. */
const around = 3;
const mostOctaves = 24;

/** @returns undefined where no run of this pass could be compared: neither LV-XAttn nor ring attention ran */
export function quadrantData(
  runs: readonly RunTraffic[],
  { shape, sharding }: TrafficWorkload,
  pass: Pass,
): QuadrantData | undefined {
  const ofPass = runs.filter(({ run }) => run.pass === pass);
  const lv = ofPass.find(({ run }) => run.algorithm === 'lv-xattn');
  const ring = ofPass.find(({ run }) => run.algorithm === 'ring');
  const base = lv ?? ring;
  if (!base) return undefined;
  const known = ratesOfRun(base, runs, { shape, sharding });
  const wire = { ...base.run.wire, repeatKeyValueHeads: ring?.run.wire.repeatKeyValueHeads ?? false };
  const { ranks } = base;
  const point = { ranks, pass, shape, wire, rates: known.rates };
  const thresholds = quadrantThresholds(ranks, shape, wire, known.rates);
  const [queryRows, keyRows] = [rowTotal(sharding.queryRows), rowTotal(sharding.keyRows)];
  const queries = sizesAround(queryRows, thresholds.queries, ranks);
  const keys = sizesAround(keyRows, thresholds.keys, ranks);
  const flat = quadrantMap(queries, keys, point);
  return {
    pass,
    ranks,
    known,
    ring: runLabel({ algorithm: 'ring', wire }),
    queries,
    keys,
    cells: keys.map((_, row) => flat.slice(row * queries.length, (row + 1) * queries.length)),
    thresholds,
    here: quadrantMap([queryRows], [keyRows], point)[0]!,
    measured: lv?.run.times && ring?.run.times ? ring.run.times.total / lv.run.times.total : undefined,
  };
}

/** Even steps on a logarithmic axis that holds both values. */
function sizesAround(value: number, threshold: number, ranks: number): number[] {
  const count = ranks > manyRanks ? coarseSteps : steps;
  const low = Math.log2(Math.max(ranks, Math.min(value, threshold))) - around;
  const high = Math.log2(Math.max(ranks, value, threshold)) + around;
  const middle = Math.log2(Math.max(ranks, value));
  const first = Math.max(Math.log2(ranks), low, middle - mostOctaves / 2);
  const last = Math.min(high, middle + mostOctaves / 2);
  const sizes = Array.from({ length: count }, (_, step) => 2 ** (first + ((last - first) * step) / (count - 1)));
  // Of multiples of the ranks: else small sizes make stripes, since the fullest rank decides.
  return [...new Set(sizes.map(size => ranks * Math.max(1, Math.round(size / ranks))))];
}
