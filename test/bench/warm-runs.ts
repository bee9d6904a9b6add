/** Analyses with the model in memory, with and without tracing by turns in one process. */
import path from 'node:path';
import { Pipeline } from '../../native/analysis/pipeline.ts';
import type { AnalyzeRequest } from '../../native/rpc.ts';
import type { StageTimings } from '../../trace/schema.ts';
import { projectFolder, sample } from './sample.ts';

export interface WarmRuns {
  readonly traced: readonly StageTimings[];
  readonly untraced: readonly StageTimings[];
  /** Traced over untraced total of neighbouring runs. */
  readonly ratios: readonly number[];
  /** The same of processor time, which does not count waiting for a processor that others use. */
  readonly processorRatios: readonly number[];
  readonly engine: string;
  readonly answerTokens: number;
}

export async function warmRuns(folder: string, count: number): Promise<WarmRuns> {
  const pipeline = new Pipeline();
  const request: AnalyzeRequest = {
    imagePath: sample.image,
    question: sample.question,
    modelFolder: path.join(projectFolder, 'media/models/fovea-tiny'),
    tracePath: path.join(folder, 'warm.fovea'),
    maxNewTokens: 20,
    sampling: { mode: 'greedy' },
    device: 'cpu',
    threads: 0,
    progressToken: 'bench',
  };
  try {
    // The first run loads the weights and warms the allocator.
    const { metadata } = await pipeline.analyze(request);
    const traced: StageTimings[] = [];
    const untraced: StageTimings[] = [];
    const processorRatios: number[] = [];
    const one = async (isTraced: boolean): Promise<number> => {
      const before = process.cpuUsage();
      const { ms } = await pipeline.analyze(request, { traced: isTraced });
      const { user, system } = process.cpuUsage(before);
      (isTraced ? traced : untraced).push(ms);
      return user + system;
    };
    for (let run = 0; run < count; run++) {
      // The one that comes second may profit from the first: each is second in turn.
      if (run % 2 === 0) {
        const without = await one(false);
        processorRatios.push((await one(true)) / without);
      } else {
        const within = await one(true);
        processorRatios.push(within / (await one(false)));
      }
    }
    const ratios = traced.map((timings, run) => timings.total / untraced[run]!.total);
    const { name, version, device, arithmetic, threads } = metadata.engine;
    const engine = `${name} ${version}, ${device}, ${arithmetic}, ${threads} threads`;
    return {
      traced,
      untraced,
      ratios,
      processorRatios,
      engine,
      answerTokens: metadata.tokens.length - metadata.promptTokens,
    };
  } finally {
    await pipeline.release();
  }
}
