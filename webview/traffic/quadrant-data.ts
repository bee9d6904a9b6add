/** The map of sizes on which LV-XAttn or ring attention is faster, around a trace's workload. */
import type { ComputedParts } from '../../trace/traffic/masked-work.ts';
import { evenFrames, recordedMask, type VisibleRun, visibleRuns } from '../../trace/traffic/masks.ts';
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
  /** The workload's; `unknown` where the trace does not say how much it hides, and predictions are without it. */
  readonly mask: TrafficWorkload['mask'] | 'unknown';
}

/** Cells of each axis, and fewer where a prediction goes over many rounds. */
const steps = 17;
const coarseSteps = 9;
const manyRanks = 64;
/** Behind a mask every rank is played by itself, which takes the square of the ranks. */
const coarsestSteps = 5;
const mostMaskedRanks = 128;
/** Octaves around the workload and the thresholds. */
const around = 3;
const mostOctaves = 24;

/** @returns undefined where no run of this pass could be compared: neither LV-XAttn nor ring attention ran */
export function quadrantData(
  runs: readonly RunTraffic[],
  workload: TrafficWorkload,
  pass: Pass,
): QuadrantData | undefined {
  const { shape, sharding } = workload;
  const ofPass = runs.filter(({ run }) => run.pass === pass);
  const lv = ofPass.find(({ run }) => run.algorithm === 'lv-xattn');
  const ring = ofPass.find(({ run }) => run.algorithm === 'ring');
  const base = lv ?? ring;
  if (!base) return undefined;
  const known = ratesOfRun(base, runs, { shape, sharding });
  const wire = { ...base.run.wire, repeatKeyValueHeads: ring?.run.wire.repeatKeyValueHeads ?? false };
  const { ranks } = base;
  const visible = visibleAt(workload);
  const parts: ComputedParts = base.run.backend.name === 'embedded' ? 'chunks' : 'shards';
  const point = { ranks, pass, shape, wire, rates: known.rates, mask: visible && { visible, parts } };
  const thresholds = quadrantThresholds(ranks, shape, wire, known.rates);
  const [queryRows, keyRows] = [rowTotal(sharding.queryRows), rowTotal(sharding.keyRows)];
  const count = visible && ranks > mostMaskedRanks ? coarsestSteps : ranks > manyRanks ? coarseSteps : steps;
  const queries = sizesAround(queryRows, thresholds.queries, ranks, count);
  const keys = sizesAround(keyRows, thresholds.keys, ranks, count);
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
    mask: workload.mask === 'none' || visible ? workload.mask : 'unknown',
  };
}

/** What queries of any number see of any number of keys; undefined where they see all, or nobody knows how much. */
function visibleAt(workload: TrafficWorkload): ((queries: number, keys: number) => VisibleRun[]) | undefined {
  const mask = recordedMask(workload);
  if (!mask || mask.name === 'none') return undefined;
  const { frames, maskFrames = 1, sharding } = workload;
  const ownKeys = rowTotal(sharding.keyRows);
  return (queries, keys) => {
    const spans = frames && keys === ownKeys ? frames : evenFrames(keys, frames?.length ?? maskFrames);
    return visibleRuns(mask, queries, keys, spans)!;
  };
}

/** Even steps on a logarithmic axis that holds both values. */
function sizesAround(value: number, threshold: number, ranks: number, count: number): number[] {
  const low = Math.log2(Math.max(ranks, Math.min(value, threshold))) - around;
  const high = Math.log2(Math.max(ranks, value, threshold)) + around;
  const middle = Math.log2(Math.max(ranks, value));
  const first = Math.max(Math.log2(ranks), low, middle - mostOctaves / 2);
  const last = Math.min(high, middle + mostOctaves / 2);
  const sizes = Array.from({ length: count }, (_, step) => 2 ** (first + ((last - first) * step) / (count - 1)));
  // Of multiples of the ranks: else small sizes make stripes, since the fullest rank decides.
  return [...new Set(sizes.map(size => ranks * Math.max(1, Math.round(size / ranks))))];
}
