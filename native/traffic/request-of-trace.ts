/** What was asked for, as far as a trace of traffic tells: enough to run it again. */
import { type Mask, recordedMask } from '../../trace/traffic/masks.ts';
import { rankCount, type TrafficRun, type TrafficWorkload } from '../../trace/traffic/metadata.ts';
import { FoveaError } from '../errors.ts';
import type { TrafficRequest, TrafficWorkloadChoice } from '../rpc.ts';

export type TrafficAgain = Omit<TrafficRequest, 'tracePath' | 'progressToken'> & { readonly mask: Mask };

const anew = 'Record it anew with fovea traffic: traces say it since this version.';

/**
 * Runs have one pass, wire and links together, as those of embedded ranks do. The noise of a preset is that of its sizes.
 * @throws FoveaError `usage` for a trace that does not hold all that is needed
 */
export function requestOfTrace(workload: TrafficWorkload, runs: readonly TrafficRun[]): TrafficAgain {
  const [first] = runs;
  if (!first) throw new FoveaError('usage', 'The trace holds no run.', 'Name another one.');
  const { repeatKeyValueHeads: _heads, ...wire } = first.wire;
  const { simulated, latency, bandwidth } = first.links;
  return {
    ...workloadAgain(workload),
    choices: runs.map(run => ({ algorithm: run.algorithm, repeatKeyValueHeads: run.wire.repeatKeyValueHeads })),
    ranks: rankCount(workload),
    pass: first.pass,
    element: workload.element,
    seed: workload.seed ?? 1,
    wire,
    ...(simulated && { link: { latency, bandwidth: bandwidth ?? Number.MAX_VALUE } }),
    repeats: Math.max(1, first.repeats.totals.length),
  };
}

function workloadAgain(workload: TrafficWorkload): { readonly workload: TrafficWorkloadChoice; readonly mask: Mask } {
  const mask = recordedMask(workload);
  if (!mask) throw new FoveaError('usage', 'The trace does not say how wide its mask is.', anew);
  return { workload: workload.source === 'images' ? imagesAgain(workload) : sizesAgain(workload), mask };
}

export const sizesAgain = ({ shape, sharding }: TrafficWorkload): TrafficWorkloadChoice => ({
  kind: 'sizes',
  shape,
  sharding,
});

function imagesAgain({ origin, question }: TrafficWorkload): TrafficWorkloadChoice {
  if (!origin || question === undefined) {
    throw new FoveaError('usage', 'The trace does not say where its images and its model were.', anew);
  }
  const { sources, mostFrames: frames, weights, layer, model } = origin;
  return {
    kind: 'images',
    paths: sources.map(({ path }) => path),
    question,
    modelFolder: model.folder,
    ...(model.visionTower !== undefined && { visionTower: model.visionTower }),
    frames,
    weights,
    layer,
  };
}
