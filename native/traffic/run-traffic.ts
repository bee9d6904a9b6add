/** One workload under one or more algorithms on embedded ranks: runs, checks, and all that the trace says of it. */
import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { env as onnxEnvironment } from 'onnxruntime-node';
import {
  agreementTolerance,
  checkRun,
  measuredTimes,
  sentByKind,
  summarizeAgreement,
} from '../../trace/traffic/checks.ts';
import { expectedBytes, sumByRank } from '../../trace/traffic/formulas.ts';
import { emptyLedger, type Ledger } from '../../trace/traffic/ledger.ts';
import { MaskedWork } from '../../trace/traffic/masked-work.ts';
import { runsOfIntervals } from '../../trace/traffic/masks.ts';
import {
  rankCount,
  type RunState,
  runLabel,
  trafficKind,
  type TrafficMetadata,
  type TrafficRun,
  trafficSchemaVersion,
} from '../../trace/traffic/metadata.ts';
import { predict, type Rates } from '../../trace/traffic/planner.ts';
import { heldTotal } from '../../trace/traffic/residency.ts';
import type { Algorithm, Pass, Schedule, WireOptions } from '../../trace/traffic/schedule.ts';
import { buildSchedule } from '../../trace/traffic/schedules/build-schedule.ts';
import type { Sizes } from '../../trace/traffic/sizes.ts';
import type { TrafficContent } from '../../trace/traffic/writer.ts';
import { isCancellation } from '../analysis/interruption.ts';
import { processorName } from '../engine/processor-cores.ts';
import { FoveaError } from '../errors.ts';
import type { TrafficProgress } from '../rpc.ts';
import { version } from '../version.ts';
import { compareResults, compareSnapshots, prefixOrder } from './agreement.ts';
import type { EmulatedLink } from './protocol.ts';
import { computeReference, type Reference } from './reference.ts';
import { type EmbeddedOutcome, runEmbedded } from './run-embedded.ts';
import type { ThreadStarter } from './threads.ts';
import { requireEmbeddedMemory, type Workload } from './workload.ts';

export interface AlgorithmChoice {
  readonly algorithm: Algorithm;
  readonly repeatKeyValueHeads: boolean;
}

export interface TrafficPlan {
  readonly workload: Workload;
  readonly choices: readonly AlgorithmChoice[];
  readonly pass: Pass;
  readonly wire: Omit<WireOptions, 'repeatKeyValueHeads'>;
  readonly link: EmulatedLink | undefined;
  readonly repeats: number;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: (progress: TrafficProgress) => void;
  readonly start?: ThreadStarter;
}

export interface TrafficOutcome {
  readonly metadata: TrafficMetadata;
  readonly content: TrafficContent;
}

/** Each thread loads ONNX Runtime; more of them than this only fight for the processor. */
const mostEmbeddedRanks = 64;
/** FLOPs that the comparison with one device may cost: a few seconds in plain loops. */
const referenceBudget = 2e9;

/**
 * Runs one algorithm after the other; stops after one that breaks off, whose events are kept, and when cancelled between two.
 * @throws TrafficError, FoveaError `usage`, `out-of-memory` or `cancelled` before anything ran
 */
export async function runTraffic(plan: TrafficPlan): Promise<TrafficOutcome> {
  const { workload, choices, pass } = plan;
  const ranks = rankCount(workload.description);
  if (ranks > mostEmbeddedRanks) {
    const hint = 'Use --plan to predict more, or run them under torchrun.';
    throw new FoveaError('usage', `At most ${mostEmbeddedRanks} ranks run on one machine.`, hint);
  }
  // All are checked before any runs.
  const schedules = choices.map(choice => buildSchedule(choice.algorithm, pass, sizesOf(plan, choice)));
  for (const schedule of schedules) requireEmbeddedMemory(schedule.algorithm, pass, schedule);
  const inputs = workload.inputs(schedules[0]!, pass);
  const references = new Map<string, Reference>();
  const runs: TrafficRun[] = [];
  const ledgers: Ledger[] = [];
  let cancelled: RunState | undefined;
  for (const [index, schedule] of schedules.entries()) {
    const order = pass === 'forward' ? prefixOrder(schedule.algorithm) : 'none';
    const label = runLabel(schedule);
    plan.progress?.({ doing: 'reference', label, done: index, total: schedules.length });
    let reference = references.get(order);
    try {
      reference ??= await computeReference(
        { sizes: schedule, inputs, visible: workload.visible },
        { gradients: pass === 'backward', prefixes: order, budget: referenceBudget, signal: plan.signal },
      );
    } catch (error) {
      // What ran before is a result.
      if (!isCancellation(error) || runs.length === 0) throw error;
      cancelled = { state: 'partial', cause: { code: error.code, message: error.message, hint: error.hint } };
      break;
    }
    references.set(order, reference);
    const outcome = await runEmbedded({
      schedule,
      inputs,
      visible: workload.visible,
      link: plan.link,
      repeats: plan.repeats,
      signal: plan.signal,
      progress: (done, total) => plan.progress?.({ doing: 'run', label, done, total }),
      ...(plan.start && { start: plan.start }),
    });
    const { run, ledger } = describeRun(plan, schedule, outcome, reference, index);
    runs.push(run);
    ledgers.push(ledger);
    if (run.status.state === 'partial') break;
  }
  const brokenOff = runs.find(run => run.status.state === 'partial')?.status;
  const status: RunState = brokenOff ?? cancelled ?? { state: 'complete' };
  const metadata: TrafficMetadata = {
    kind: trafficKind,
    schema: trafficSchemaVersion,
    id: randomUUID(),
    created: new Date().toISOString(),
    producer: { name: 'fovea', version },
    status,
    workload: workload.description,
    runs,
  };
  const ledger = ledgers.reduce(joinLedgers, emptyLedger);
  return { metadata, content: { ledger, ...(workload.tensors && { tensors: workload.tensors }) } };
}

export function sizesOf({ workload, wire }: Pick<TrafficPlan, 'workload' | 'wire'>, choice: AlgorithmChoice): Sizes {
  const { shape, sharding } = workload.description;
  return { shape, sharding, wire: { ...wire, repeatKeyValueHeads: choice.repeatKeyValueHeads } };
}

function describeRun(
  plan: TrafficPlan,
  schedule: Schedule,
  outcome: EmbeddedOutcome,
  reference: Reference,
  index: number,
): { readonly run: TrafficRun; readonly ledger: Ledger } {
  const { algorithm, pass, ranks, wire } = schedule;
  const { status, totals, results, snapshots, threadsPerRank } = outcome;
  const complete = status.state === 'complete';
  const rows = reference.complete ? 'every row' : `${reference.rows.length} sampled rows`;
  const agreementEvents = [
    ...compareResults(index, results, reference, schedule),
    ...compareSnapshots(index, snapshots, reference, schedule),
  ];
  const ledger: Ledger = { ...numbered(outcome.ledger, index), agreement: agreementEvents };
  const agreement = summarizeAgreement(
    agreementEvents,
    agreementTolerance[wire.element],
    `float64 on one device, ${rows}`,
  );
  const times = measuredTimes(ledger, ranks);
  const peaks = Array.from({ length: ranks }, (_, rank) =>
    Math.max(0, ...ledger.memory.filter(event => event.rank === rank).map(heldTotal)),
  );
  const predicted = complete && plan.link && predictFrom(schedule, ledger, plan.link, plan.workload.visible);
  const run: TrafficRun = {
    algorithm,
    pass,
    wire,
    rounds: schedule.rounds,
    status,
    backend: {
      name: 'embedded',
      versions: { node: process.versions.node, ...onnxVersion() },
      hardware: `${processorName()}, ${availableParallelism()} processors, ${ranks} ranks of ${threadsPerRank} thread${threadsPerRank === 1 ? '' : 's'}`,
      hosts: 1,
      devices: Array.from({ length: ranks }, () => 'cpu'),
      kernel: 'ONNX Runtime, float32, unnormalised partials',
    },
    links: linkDescription(plan.link),
    clock: { source: 'one monotonic clock for all threads', errorNs: 0 },
    ...(complete && { times }),
    repeats: { warmups: 1, totals },
    ...(predicted && { predicted }),
    bytes: {
      sentPerRank: sumByRank(sentByKind(ledger.transfers, ranks), ranks),
      sentByKind: sentByKind(ledger.transfers, ranks),
      expectedPerRank: sumByRank(expectedBytes(algorithm, pass, schedule), ranks),
    },
    memory: { peakPerRank: peaks, method: 'arrays that the rank held, counted after every operation' },
    ...(agreement && { agreement }),
    checks: complete ? checkRun(schedule, ledger, agreement) : [],
  };
  return { run, ledger };
}

/** With the rate at which these ranks did compute; undefined where a mask hid everything. */
function predictFrom(
  schedule: Schedule,
  ledger: Ledger,
  link: EmulatedLink,
  visible: Int32Array | undefined,
): TrafficRun['predicted'] {
  const work = ledger.computes.filter(({ flops }) => flops > 0);
  if (work.length === 0) return undefined;
  const flops = work.reduce((sum, event) => sum + event.flops, 0);
  const seconds = work.reduce((sum, { started, ended }) => sum + ended - started, 0) / 1e9;
  const rates: Rates = {
    flopsPerSecond: flops / seconds,
    bandwidth: link.bandwidth,
    latency: link.latency,
    memoryBandwidth: Infinity,
  };
  const masked = visible && new MaskedWork(runsOfIntervals(visible), schedule.sharding, 'chunks');
  return predict(schedule.algorithm, schedule.pass, schedule, rates, { masked });
}

function linkDescription(link: EmulatedLink | undefined): TrafficRun['links'] {
  if (!link) {
    const description = 'messages between threads of one process, in memory';
    return { simulated: false, latency: 0, bandwidth: null, description };
  }
  const unlimited = link.bandwidth === Number.MAX_VALUE;
  const rate = unlimited ? 'any bandwidth' : `${link.bandwidth / 1e9} GB/s in each direction of a rank`;
  const description = `simulated: ${rate}, ${Number((link.latency * 1e6).toFixed(3))} µs`;
  return { simulated: true, latency: link.latency, bandwidth: unlimited ? null : link.bandwidth, description };
}

function onnxVersion(): Record<string, string> {
  const versions = onnxEnvironment.versions as { readonly node?: string };
  return versions.node === undefined ? {} : { 'onnxruntime-node': versions.node };
}

function numbered(ledger: Ledger, run: number): Ledger {
  return {
    transfers: ledger.transfers.map(event => ({ ...event, run })),
    computes: ledger.computes.map(event => ({ ...event, run })),
    waits: ledger.waits.map(event => ({ ...event, run })),
    memory: ledger.memory.map(event => ({ ...event, run })),
    agreement: ledger.agreement.map(event => ({ ...event, run })),
  };
}

function joinLedgers(all: Ledger, next: Ledger): Ledger {
  return {
    transfers: [...all.transfers, ...next.transfers],
    computes: [...all.computes, ...next.computes],
    waits: [...all.waits, ...next.waits],
    memory: [...all.memory, ...next.memory],
    agreement: [...all.agreement, ...next.agreement],
  };
}
