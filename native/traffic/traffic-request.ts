/** A traffic run that was asked for over the wire: prepared, run, checked, written. */
import { resolve } from 'node:path';
import { TrafficError } from '../../trace/traffic/errors.ts';
import type { LoadedModel } from '../analysis/loaded-model.ts';
import { prepareOutput, writeTraffic } from '../analysis/output-file.ts';
import { FoveaError } from '../errors.ts';
import type { TrafficProgress, TrafficRequest, TrafficResult } from '../rpc.ts';
import { prepareWorkload } from './prepare-workload.ts';
import { runTraffic } from './run-traffic.ts';

export interface TrafficRequestOptions {
  readonly model: LoadedModel;
  readonly progress: (progress: TrafficProgress) => void;
  readonly signal: AbortSignal;
}

/** A run that breaks off is a result, too: its trace holds what was recorded. @throws FoveaError when nothing ran */
export async function answerTraffic(
  request: TrafficRequest,
  { model, progress, signal }: TrafficRequestOptions,
): Promise<TrafficResult> {
  const tracePath = resolve(request.tracePath);
  await prepareOutput(tracePath, request.workload.kind === 'images' ? request.workload.paths : []);
  progress({ doing: 'workload', label: '', done: 0, total: 1 });
  try {
    const workload = await prepareWorkload(request, signal, model);
    const outcome = await runTraffic({ ...request, link: request.link, workload, signal, progress });
    const { status, runs } = outcome.metadata;
    return {
      tracePath,
      traceBytes: await writeTraffic(tracePath, outcome.metadata, outcome.content),
      state: status.state,
      ...(status.state === 'partial' && { cause: status.cause }),
      violations: runs.flatMap(run => run.checks.filter(({ passed }) => !passed).map(({ message }) => message)),
    };
  } catch (error) {
    if (error instanceof TrafficError) throw new FoveaError('usage', error.message, error.hint, { cause: error });
    throw error;
  }
}
