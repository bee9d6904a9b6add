import type { Prediction, TrafficRun, TrafficWorkload } from '../../trace/traffic/metadata.ts';
import { rankCount, runLabel } from '../../trace/traffic/metadata.ts';
import { hopMatrix, logicalMatrix } from '../../trace/traffic/matrices.ts';
import type { Plan, PlannedMask } from '../../trace/traffic/planner.ts';
import type { AlgorithmChoice, TrafficOutcome } from '../traffic/run-traffic.ts';

/** The first algorithm on top, the others under `compared` in the same form. */
export function jsonTraffic({ metadata, content }: TrafficOutcome, trace: string | undefined): object {
  const [first, ...others] = metadata.runs.map((run, index) => jsonRun(run, index));
  function jsonRun(run: TrafficRun, index: number): object {
    const transfers = content.ledger.transfers.filter(event => event.run === index);
    const ranks = rankCount(metadata.workload);
    const { status } = run;
    return {
      algorithm: run.algorithm,
      label: runLabel(run),
      pass: run.pass,
      state: status.state,
      ...(status.state === 'partial' && { error: status.cause }),
      bytesSentPerRank: run.bytes.sentPerRank,
      bytesByKind: run.bytes.sentByKind,
      expectedBytesPerRank: run.bytes.expectedPerRank,
      hopMatrix: hopMatrix(transfers, ranks),
      ownerMatrix: logicalMatrix(transfers, ranks),
      times: run.times ?? null,
      repeats: run.repeats,
      predicted: run.predicted ?? null,
      simulatedLinks: run.links.simulated,
      memory: run.memory,
      agreement: run.agreement ?? null,
      checks: run.checks,
    };
  }
  return {
    ...first,
    ranks: rankCount(metadata.workload),
    workload: withoutLists(metadata.workload),
    compared: others,
    ...(trace !== undefined && { trace }),
  };
}

export interface ChosenPlan {
  readonly choice: AlgorithmChoice;
  readonly plan: Plan;
  /** Of torch ranks, where a mask makes them compute more than embedded ones. */
  readonly onTorch?: Plan;
}

/** Blocks of more ranks than this are millions of numbers. */
const mostListedRanks = 64;

export function jsonPlan(workload: TrafficWorkload, plans: readonly ChosenPlan[]): object {
  const [first, ...others] = plans.map(({ choice, plan, onTorch }) => ({
    algorithm: plan.algorithm,
    repeatedHeads: choice.repeatKeyValueHeads,
    pass: plan.pass,
    bytesSentPerRank: plan.bytesSentPerRank,
    predicted: plan.prediction,
    ...(plan.mask && { mask: jsonMask(plan.mask, plan.prediction) }),
    ...(onTorch?.mask && {
      onTorch: { predicted: onTorch.prediction, mask: jsonMask(onTorch.mask, onTorch.prediction) },
    }),
  }));
  return { ...first, ranks: rankCount(workload), workload: withoutLists(workload), compared: others };
}

function jsonMask({ blocks, ...mask }: PlannedMask, { flopsPerSecond }: Prediction): object {
  if (blocks.flops.length > mostListedRanks) return mask;
  const seconds = blocks.flops.map(rounds => rounds.map(flops => flops / flopsPerSecond));
  return { ...mask, blocks: { ...blocks, seconds } };
}

function withoutLists({ tokens: _tokens, frames: _frames, ...workload }: TrafficWorkload): object {
  return workload;
}
