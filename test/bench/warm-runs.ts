/** Analyses with the model in memory, with and without tracing by turns in one process. */
import path from 'node:path';
import { Pipeline } from '../../native/analysis/pipeline.ts';
import type { AnalyzeRequest } from '../../native/rpc.ts';
import type { StageTimings } from '../../trace/schema.ts';
import { projectFolder, sample } from './sample.ts';
import { quantile } from './statistics.ts';

export interface WarmRuns {
  readonly traced: readonly StageTimings[];
  readonly untraced: readonly StageTimings[];
  /** Traced over untraced time of neighbouring runs, by the clock and until the trace is on disk. */
  readonly ratios: readonly number[];
  /** The median of traced runs over that of untraced ones, of the same times. */
  readonly ratioOfMedians: number;
  readonly processorRatioOfMedians: number;
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
    const times: Times = { traced: [], untraced: [] };
    const processor: Times = { traced: [], untraced: [] };
    const one = async (kind: keyof Times): Promise<void> => {
      const before = process.cpuUsage();
      const started = performance.now();
      const { ms } = await pipeline.analyze(request, { traced: kind === 'traced' });
      times[kind].push(performance.now() - started);
      const { user, system } = process.cpuUsage(before);
      processor[kind].push(user + system);
      (kind === 'traced' ? traced : untraced).push(ms);
    };
    for (let run = 0; run < count; run++) {
      // The one that comes second may profit from the first: each is second in turn.
      for (const kind of run % 2 === 0 ? (['untraced', 'traced'] as const) : (['traced', 'untraced'] as const))
        await one(kind);
    }
    const { name, version, device, arithmetic, threads } = metadata.engine;
    const engine = `${name} ${version}, ${device}, ${arithmetic}, ${threads} threads`;
    return {
      traced,
      untraced,
      ratios: ratiosOf(times),
      processorRatios: ratiosOf(processor),
      ratioOfMedians: quantile(times.traced, 0.5) / quantile(times.untraced, 0.5),
      processorRatioOfMedians: quantile(processor.traced, 0.5) / quantile(processor.untraced, 0.5),
      engine,
      answerTokens: metadata.tokens.length - metadata.promptTokens,
    };
  } finally {
    await pipeline.release();
  }
}

interface Times {
  readonly traced: number[];
  readonly untraced: number[];
}

const ratiosOf = ({ traced, untraced }: Times): number[] => traced.map((time, run) => time / untraced[run]!);
