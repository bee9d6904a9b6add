/** Sends traffic between ranks again, and compares bytes and agreement with what was recorded. */
import { TrafficError } from '../../trace/traffic/errors.ts';
import {
  type RunAgreement,
  runLabel,
  type TrafficMetadata,
  type TrafficRun,
  type TrafficWorkload,
  type WorkloadOrigin,
} from '../../trace/traffic/metadata.ts';
import { type TensorKind, tensorKinds } from '../../trace/traffic/schedule.ts';
import { openCrossAttention } from '../checkpoint/cross-attention-weights.ts';
import { openHighResolution } from '../checkpoint/high-resolution-weights.ts';
import { FoveaError } from '../errors.ts';
import type { TrafficProgress } from '../rpc.ts';
import { prepareWorkload } from '../traffic/prepare-workload.ts';
import { requestOfTrace, type TrafficAgain } from '../traffic/request-of-trace.ts';
import { runTraffic, type TrafficOutcome } from '../traffic/run-traffic.ts';
import { requireHere, requireSameImages } from './same-images.ts';
import { sameModel, unknownFiles, type WeightsOfRun } from './same-model.ts';
import { fromTorch, trafficLine } from './traffic-line.ts';

export interface ReproduceTrafficOptions {
  /** Where the only image and the model are now, if not where they were. */
  readonly imagePath: string | undefined;
  readonly modelFolder: string | undefined;
  readonly visionTower?: string | undefined;
  readonly signal: AbortSignal;
  readonly progress: (progress: TrafficProgress) => void;
}

/** Bytes that a rank sent of one kind, where they are not what they were. */
export interface ByteDifference {
  readonly kind: TensorKind;
  readonly rank: number;
  readonly before: number;
  readonly now: number;
}

type Figures = Pick<RunAgreement, 'maxAbs' | 'relL2' | 'cosine'>;

/** One algorithm, then and now. */
export interface TrafficRunComparison {
  readonly name: string;
  /** Every rank sent as many bytes of every kind. */
  readonly bytesAgree: boolean;
  readonly bytesThatDiffer: readonly ByteDifference[];
  /** `relL2` is no farther apart than `tolerance`, which the trace states; absent where one of the two has no figures. */
  readonly numbersAgree?: boolean;
  readonly agreement?: { readonly before: Figures; readonly now: Figures; readonly tolerance: number };
  /** Messages of checks that fail now and did not then. */
  readonly failedChecks: readonly string[];
  /** Seconds; not compared. */
  readonly seconds: { readonly before?: number; readonly now?: number };
}

export interface TrafficReproduction {
  readonly agree: boolean;
  readonly runs: readonly TrafficRunComparison[];
  /** Of images: what the model answered. */
  readonly answer?: { readonly before: string; readonly now: string };
  /** Runs that broke off then, and so are not compared. */
  readonly brokenOff: readonly string[];
  /** "hardware: …, was …" */
  readonly changes: readonly string[];
}

/** @throws FoveaError `usage` for what cannot be sent again here; `image-unreadable`, `checkpoint-missing`, `cancelled` */
export async function reproduceTraffic(
  metadata: TrafficMetadata,
  options: ReproduceTrafficOptions,
): Promise<TrafficReproduction> {
  if (fromTorch(metadata)) {
    const hint = `From the folder native/torch, this makes it again: ${trafficLine(metadata)}`;
    throw new FoveaError('usage', 'Ranks of torch.distributed sent this; they are not started from here.', hint);
  }
  const complete = metadata.runs.filter(({ status }) => status.state === 'complete');
  if (complete.length === 0)
    throw new FoveaError('usage', 'Every run of the trace broke off: nothing can be compared.', 'Name another trace.');
  const { signal, progress } = options;
  const request = await sameInputs(requestOfTrace(metadata.workload, complete), metadata.workload, options);
  progress({ doing: 'workload', label: '', done: 0, total: 1 });
  const outcome = await again(request, signal, progress);
  const now = outcome.metadata;
  if (now.status.state === 'partial') throw brokenOff(now.status.cause, signal);
  const runs = complete.map((run, index) => compareTrafficRuns(run, now.runs[index]!));
  const [before, after] = [metadata.workload.answer, now.workload.answer];
  return {
    agree: before === after && runs.every(trafficRunAgrees),
    runs,
    ...(before !== undefined && { answer: { before, now: after ?? '' } }),
    brokenOff: metadata.runs.filter(run => !complete.includes(run)).map(runLabel),
    changes: changedSurroundings(metadata, now),
  };
}

export const trafficRunAgrees = ({ bytesAgree, numbersAgree, failedChecks }: TrafficRunComparison): boolean =>
  bytesAgree && numbersAgree !== false && failedChecks.length === 0;

async function again(
  request: TrafficAgain,
  signal: AbortSignal,
  progress: (progress: TrafficProgress) => void,
): Promise<TrafficOutcome> {
  try {
    const workload = await prepareWorkload(request, signal);
    return await runTraffic({ ...request, link: request.link, workload, signal, progress });
  } catch (error) {
    if (signal.aborted) throw cancelled(error);
    if (error instanceof TrafficError) throw new FoveaError('usage', error.message, error.hint, { cause: error });
    throw error;
  }
}

function brokenOff(cause: { readonly message: string; readonly hint: string }, signal: AbortSignal): FoveaError {
  return signal.aborted ? cancelled() : new FoveaError('rank-failed', cause.message, cause.hint);
}

const cancelled = (cause?: unknown): FoveaError =>
  new FoveaError('cancelled', 'Cancelled before the traffic could be compared.', '', { cause });

/** With images and model from where they are now, if they are the same. */
async function sameInputs(
  request: TrafficAgain,
  { origin }: TrafficWorkload,
  options: ReproduceTrafficOptions,
): Promise<TrafficAgain> {
  const { workload } = request;
  if (workload.kind !== 'images' || !origin) return request;
  const { imagePath } = options;
  if (imagePath !== undefined && origin.sources.length > 1) {
    const hint = 'Leave --image out, and put the files back where they were.';
    throw new FoveaError('image-unreadable', 'Several files were read, which cannot all be named anew.', hint);
  }
  for (const { path, digest } of origin.sources) {
    if (imagePath === undefined) requireHere(path, '--image FILE');
    await requireSameImages(imagePath ?? path, digest);
  }
  const { visionTower: recorded } = origin.model;
  if (options.visionTower === undefined && recorded !== undefined) requireHere(recorded, '--vision-tower DIR');
  const visionTower = options.visionTower ?? recorded;
  return {
    ...request,
    workload: {
      ...workload,
      paths: imagePath === undefined ? workload.paths : [imagePath],
      modelFolder: await sameModel(
        origin.model,
        { modelFolder: options.modelFolder, visionTower, signal: options.signal },
        weightsOf(origin),
      ),
      ...(visionTower !== undefined && { visionTower }),
    },
  };
}

const weightsOf =
  ({ weights }: WorkloadOrigin): WeightsOfRun =>
  async checkpoint =>
    weights === 'cross-attention'
      ? { crossAttention: await openCrossAttention(checkpoint) }
      : { projections: await openHighResolution(checkpoint) };

export function compareTrafficRuns(before: TrafficRun, now: TrafficRun): TrafficRunComparison {
  const bytesThatDiffer = tensorKinds.flatMap(kind => {
    const [first, second] = [before.bytes.sentByKind[kind] ?? [], now.bytes.sentByKind[kind] ?? []];
    return Array.from({ length: Math.max(first.length, second.length) }, (_, rank) => ({
      kind,
      rank,
      before: first[rank] ?? 0,
      now: second[rank] ?? 0,
    })).filter(sent => sent.before !== sent.now);
  });
  const passed = (name: string): boolean => before.checks.every(check => check.name !== name || check.passed);
  return {
    name: runLabel(before),
    bytesAgree: bytesThatDiffer.length === 0,
    bytesThatDiffer,
    ...compareAgreement(before.agreement, now.agreement),
    failedChecks: now.checks.filter(check => !check.passed && passed(check.name)).map(({ message }) => message),
    seconds: { ...(before.times && { before: before.times.total }), ...(now.times && { now: now.times.total }) },
  };
}

function compareAgreement(
  before: RunAgreement | undefined,
  now: RunAgreement | undefined,
): Pick<TrafficRunComparison, 'numbersAgree' | 'agreement'> {
  if (!before || !now) return {};
  const { tolerance } = before;
  const figures = ({ maxAbs, relL2, cosine }: RunAgreement): Figures => ({ maxAbs, relL2, cosine });
  return {
    numbersAgree: Math.abs(before.relL2 - now.relL2) <= tolerance,
    agreement: { before: figures(before), now: figures(now), tolerance },
  };
}

function changedSurroundings(before: TrafficMetadata, now: TrafficMetadata): string[] {
  const facts = ({ producer, runs: [run] }: TrafficMetadata): [string, string][] => [
    ['Fovea', producer.version],
    ...Object.entries(run!.backend.versions),
    ['kernel', run!.backend.kernel],
    ['hardware', run!.backend.hardware],
  ];
  const then = new Map(facts(before));
  const { origin } = before.workload;
  const unknown = origin && unknownFiles(origin.model);
  return [
    ...facts(now)
      .filter(([name, value]) => then.get(name) !== value)
      .map(([name, value]) => `${name}: ${value}, was ${then.get(name) ?? 'unknown'}`),
    ...(unknown === undefined ? [] : [unknown]),
  ];
}
