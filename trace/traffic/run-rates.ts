/** At what rates the ranks of a trace worked, for predictions at other sizes. */
import type { ComputeEvent, Ledger } from './ledger.ts';
import type { TrafficRun } from './metadata.ts';
import type { Rates } from './planner.ts';

export interface RunRates {
  readonly rates: Rates;
  /** Where the rates of arithmetic and of the links come from, for the reader. */
  readonly compute: 'measured' | 'assumed';
  readonly link: 'emulated' | 'measured' | 'assumed';
}

/** What table 3 of the paper implies for its cluster (docs/lv-xattn.md). */
const paperBandwidth = 3e9;
const paperFlops = 12e12;

const attends = ({ kind }: ComputeEvent): boolean => kind === 'attention' || kind === 'gradient';

/** @param run the run that rates are wanted of @param ledger its own events */
export function ratesOfRun(run: TrafficRun, ledger: Ledger): RunRates {
  const { links, backend, predicted } = run;
  const flops = measuredFlops(ledger.computes);
  const bandwidth = links.bandwidth ?? (backend.name === 'torch-nccl' ? measuredBandwidth(ledger) : undefined);
  return {
    rates: {
      flopsPerSecond: flops ?? predicted?.flopsPerSecond ?? paperFlops,
      bandwidth: bandwidth ?? paperBandwidth,
      latency: links.latency,
      // Merging is small beside both, and differs between algorithms by less than the rates are known.
      memoryBandwidth: Infinity,
    },
    compute: flops === undefined ? 'assumed' : 'measured',
    link: links.simulated && links.bandwidth !== null ? 'emulated' : bandwidth === undefined ? 'assumed' : 'measured',
  };
}

function measuredFlops(computes: readonly ComputeEvent[]): number | undefined {
  let [flops, nanoseconds] = [0, 0];
  for (const event of computes.filter(attends)) {
    if (!Number.isFinite(event.ended) || event.flops === 0) continue;
    flops += event.flops;
    nanoseconds += event.ended - event.started;
  }
  return nanoseconds > 0 ? flops / (nanoseconds / 1e9) : undefined;
}

/** Of the fastest large message: small ones and ones that waited for a peer say nothing of the link. */
function measuredBandwidth({ transfers }: Ledger): number | undefined {
  const rates = transfers
    .filter(({ started, ended }) => ended > started)
    .map(({ bytes, started, ended }) => bytes / ((ended - started) / 1e9));
  return rates.length > 0 ? Math.max(...rates) : undefined;
}
