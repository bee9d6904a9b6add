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
    for (let run = 0; run < count; run++) {
      untraced.push((await pipeline.analyze(request, { traced: false })).ms);
      traced.push((await pipeline.analyze(request)).ms);
    }
    const ratios = traced.map((timings, run) => timings.total / untraced[run]!.total);
    const { name, version, device, arithmetic, threads } = metadata.engine;
    const engine = `${name} ${version}, ${device}, ${arithmetic}, ${threads} threads`;
    return { traced, untraced, ratios, engine, answerTokens: metadata.tokens.length - metadata.promptTokens };
  } finally {
    await pipeline.release();
  }
}
