/** At what rates the ranks of a trace worked, for predictions at other sizes. */
import type { ComputeEvent, Ledger, TransferEvent } from './ledger.ts';
import type { TrafficRun } from './metadata.ts';
import { mergedBytes } from './merged-bytes.ts';
import type { Rates } from './planner.ts';
import { buildSchedule } from './schedules/build-schedule.ts';
import type { Sizes } from './sizes.ts';

export interface RunRates {
  readonly rates: Rates;
  /** Where the rates of arithmetic and of the links come from, for the reader. */
  readonly compute: 'measured' | 'assumed';
  readonly link: 'emulated' | 'measured' | 'assumed';
}

export interface RunOnRecord {
  readonly run: TrafficRun;
  /** Its own events. */
  readonly ledger: Ledger;
}

/** What table 3 of the paper implies for its cluster (docs/lv-xattn.md). */
const paperBandwidth = 3e9;
const paperFlops = 12e12;

/** @param base the run whose rates are wanted @param beside all runs of the trace: they used the same links */
export function ratesOfRun(
  base: RunOnRecord,
  beside: readonly RunOnRecord[],
  { shape, sharding }: Omit<Sizes, 'wire'>,
): RunRates {
  const { links, backend, predicted } = base.run;
  const flops = measuredFlops(base.ledger.computes);
  const onLinks = beside.filter(({ run }) => run.backend.name === 'torch-nccl' && !run.links.simulated);
  const measured = backend.name === 'torch-nccl' ? measuredBandwidth(onLinks) : undefined;
  const bandwidth = links.bandwidth ?? measured;
  return {
    rates: {
      flopsPerSecond: flops ?? predicted?.flopsPerSecond ?? paperFlops,
      bandwidth: bandwidth ?? paperBandwidth,
      latency: links.latency,
      memoryBandwidth: base.run.pass === 'backward' ? measuredMerging(beside, { shape, sharding }) : Infinity,
    },
    compute: flops === undefined ? 'assumed' : 'measured',
    link: links.simulated && links.bandwidth !== null ? 'emulated' : bandwidth === undefined ? 'assumed' : 'measured',
  };
}

function measuredFlops(computes: readonly ComputeEvent[]): number | undefined {
  let [flops, nanoseconds] = [0, 0];
  for (const { kind, flops: some, skipped, started, ended } of computes) {
    if ((kind !== 'attention' && kind !== 'gradient') || !Number.isFinite(ended) || some === 0 || skipped) continue;
    flops += some;
    nanoseconds += ended - started;
  }
  return nanoseconds > 0 ? flops / (nanoseconds / 1e9) : undefined;
}

/**
 * Bytes/s of the slowest backward run: ranks add what they compute themselves while they compute it, so that where nothing
 * arrives the merges left in the ledger look free. Merging O is too little to be told from the other rates' error.
 */
function measuredMerging(runs: readonly RunOnRecord[], sizes: Omit<Sizes, 'wire'>): number {
  const complete = runs.filter(({ run }) => run.pass === 'backward' && run.times);
  return Math.min(...complete.map(run => mergingRate(run, sizes)).filter(rate => rate > 0));
}

/** 0 where the schedule has nothing to add. */
function mergingRate({ run, ledger }: RunOnRecord, { shape, sharding }: Omit<Sizes, 'wire'>): number {
  const merges = ledger.computes.filter(({ kind, ended }) => kind === 'merge' && Number.isFinite(ended));
  const nanoseconds = merges.reduce((sum, { started, ended }) => sum + ended - started, 0);
  const sizes: Sizes = { shape, sharding, wire: run.wire };
  const { programs } = buildSchedule(run.algorithm, run.pass, sizes);
  const merged = mergedBytes(programs, sizes);
  const operations = programs.flatMap(program => program.operations.filter(operation => operation.op === 'merge'));
  const bytes = operations.reduce((sum, operation) => sum + (merged.get(operation) ?? 0), 0);
  return bytes === 0 ? 0 : bytes / (nanoseconds / 1e9);
}

/** Of the fastest exchange: small ones and ones that waited for a peer say nothing of the link. */
function measuredBandwidth(runs: readonly RunOnRecord[]): number | undefined {
  const rates = runs.flatMap(({ ledger }) => [...exchangeRates(ledger.transfers)]);
  return rates.length > 0 ? Math.max(...rates) : undefined;
}

/** Bytes/s. Messages between the same ranks that began and ended together went over the link as one. */
function exchangeRates(transfers: readonly TransferEvent[]): Iterable<number> {
  const rates = new Map<string, number>();
  for (const { source, destination, bytes, started, ended } of transfers) {
    if (!(ended > started)) continue;
    const exchange = `${source} ${destination} ${started} ${ended}`;
    rates.set(exchange, (rates.get(exchange) ?? 0) + bytes / ((ended - started) / 1e9));
  }
  return rates.values();
}
