/**
 * FlexAttention beside its rivals in one process, by turns: low resolution, all tokens in the sequence, projections made anew, and
 * cross-attention where the model has weights of it.
 */
import fs from 'node:fs';
import path from 'node:path';
import { Pipeline } from '../../native/analysis/pipeline.ts';
import { openCheckpoint } from '../../native/checkpoint/checkpoint.ts';
import { openCrossAttention } from '../../native/checkpoint/cross-attention-weights.ts';
import type { AnalyzeRequest, MethodRequest } from '../../native/rpc.ts';
import { runMacs } from '../../trace/costs.ts';
import { openTraceFile } from '../../trace/file.ts';
import { furtherVisionMacs, readingMacs, resolutionComparison, tileMacs } from '../../trace/high-resolution-costs.ts';
import { type RunMetadata, type TensorName, tensorNames } from '../../trace/schema.ts';
import { projectFolder } from './sample.ts';
import { summarize, type Summary } from './statistics.ts';

export const highResolutionSample = {
  image: 'media/samples/scene-03.png',
  question: 'What is the small word near the pumpkin?',
  longest: 20,
};

interface Condition {
  readonly title: string;
  readonly method?: MethodRequest;
}

const always: readonly Condition[] = [
  { title: 'low resolution, 336 px' },
  { title: 'FlexAttention, 1008 px, projections kept', method: { name: 'flexattention' } },
  {
    title: 'FlexAttention, 1008 px, projected at every step',
    method: { name: 'flexattention', parameters: { keep: false } },
  },
  { title: 'LLaVA-HD, 448 px', method: { name: 'llava-hd', parameters: { side: 448 } } },
  { title: 'LLaVA-HD, 1008 px', method: { name: 'llava-hd', parameters: { side: 1008 } } },
];

/** Before the slowest, so that a round that is broken off has it. */
async function conditionsFor(modelFolder: string): Promise<readonly Condition[]> {
  const weights = await openCrossAttention(await openCheckpoint(modelFolder));
  if (!weights) return always;
  const crossAttention = { title: 'LLaVA-XAttn, 1008 px', method: { name: 'llava-xattn' } };
  return [...always.slice(0, 3), crossAttention, ...always.slice(3)];
}

export interface ResolutionRow {
  readonly title: string;
  readonly answer: string;
  /** Milliseconds. */
  readonly vision: Summary;
  readonly prefill: Summary;
  readonly step: Summary;
  /** Multiply-accumulates by formula F3. */
  readonly macs: { readonly vision: number; readonly prefill: number; readonly step: number };
}

export interface HighResolutionTimings {
  readonly rows: readonly ResolutionRow[];
  readonly traceBytes: number;
  readonly steps: number;
  /** All tensors of one step of `high_resolution`, read from the trace. */
  readonly stepRead: Summary;
  /** Bytes of `high_resolution` at 20 steps of this model. */
  readonly bytesAtTwentySteps: number;
}

export async function highResolutionTimings(folder: string, rounds: number): Promise<HighResolutionTimings> {
  const pipeline = new Pipeline();
  const request: AnalyzeRequest = {
    imagePath: path.join(projectFolder, highResolutionSample.image),
    question: highResolutionSample.question,
    modelFolder: path.join(projectFolder, 'media/models/fovea-tiny'),
    tracePath: path.join(folder, 'high-resolution.fovea'),
    maxNewTokens: highResolutionSample.longest,
    sampling: { mode: 'greedy' },
    device: 'cpu',
    threads: 0,
    progressToken: 'bench',
  };
  const conditions = await conditionsFor(request.modelFolder);
  try {
    await pipeline.analyze(request, { traced: false });
    const measured = conditions.map(() => [] as RunMetadata[]);
    for (let round = 0; round < rounds; round++) {
      for (const [index, { title, method }] of conditions.entries()) {
        console.log(`${title}, ${round + 1} of ${rounds}`);
        const run = await pipeline.analyze({ ...request, ...(method && { method }) }, { traced: false });
        measured[index]!.push(run.metadata);
      }
    }
    const { metadata } = await pipeline.analyze({ ...request, method: { name: 'flexattention' } });
    return {
      rows: conditions.map(({ title }, index) => rowOf(title, measured[index]!)),
      ...(await readSteps(request.tracePath, metadata)),
    };
  } finally {
    await pipeline.release();
  }
}

function rowOf(title: string, runs: readonly RunMetadata[]): ResolutionRow {
  const [first] = runs;
  if (!first) throw new Error(`${title} never ran.`);
  const steps = first.reduction!.decodeSteps;
  return {
    title,
    answer: first.answer,
    vision: summarize(runs.map(({ ms }) => ms.vision)),
    prefill: summarize(runs.map(({ ms }) => ms.prefill)),
    step: summarize(runs.map(({ ms }) => ms.decode / steps)),
    macs: macsOf(first),
  };
}

function macsOf(run: RunMetadata): ResolutionRow['macs'] {
  const { highResolution, reduction, model, visual } = run;
  const own = runMacs('F3', reduction!, model)!;
  const step = own.decode / reduction!.decodeSteps;
  if (run.crossAttention) {
    const reading = readingMacs(run);
    return {
      vision: own.vision + furtherVisionMacs(run)!,
      prefill: own.prefill + reading.prefill,
      step: step + reading.decode / reduction!.decodeSteps,
    };
  }
  if (!highResolution) return { ...own, step };
  const compared = resolutionComparison('F3', { ...run, highResolution })!;
  const kept = highResolution.cacheBytes > 0 ? compared.flexAttention : compared.reprojecting;
  const tiles = tileMacs(highResolution, model, visual.grid.rows * visual.grid.columns)!;
  return { vision: own.vision + tiles, prefill: kept.prefill, step: kept.step };
}

async function readSteps(
  file: string,
  metadata: RunMetadata,
): Promise<Pick<HighResolutionTimings, 'traceBytes' | 'steps' | 'stepRead' | 'bytesAtTwentySteps'>> {
  const trace = await openTraceFile(file);
  try {
    const steps = metadata.tokens.length - metadata.promptTokens;
    const perStep = tensorNames.filter(
      name => name.startsWith('high_resolution.') && trace.tensors[name]?.shape[0] === steps,
    );
    const bytes = await stepBytes(trace, perStep);
    const times: number[] = [];
    for (let step = 0; step < steps; step++) {
      const started = performance.now();
      for (const name of perStep) await trace.slice(name, [[step, step + 1]]);
      times.push(performance.now() - started);
    }
    const traceBytes = fs.statSync(file).size;
    return { traceBytes, steps, stepRead: summarize(times), bytesAtTwentySteps: traceBytes + bytes * (20 - steps) };
  } finally {
    await trace.close();
  }
}

async function stepBytes(
  trace: Awaited<ReturnType<typeof openTraceFile>>,
  names: readonly TensorName[],
): Promise<number> {
  let bytes = 0;
  for (const name of names) bytes += (await trace.slice(name, [[0, 1]])).data.byteLength;
  return bytes;
}
