/** Token methods at one budget, by turns in one process on several images: what they save, and what the clock says. */
import path from 'node:path';
import { Pipeline } from '../../native/analysis/pipeline.ts';
import { bundledModelFolder } from '../../native/models.ts';
import type { AnalyzeRequest, MethodRequest } from '../../native/rpc.ts';
import { prefillMacs, runMacs } from '../../trace/costs.ts';
import { meanEntering, meanLeaving, type TokenReduction } from '../../trace/fates.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { projectFolder } from './sample.ts';
import { summarize, type Summary } from './statistics.ts';

export const budget = 64;
export const images = ['scene-02.png', 'scene-04.png', 'scene-07.png'] as const;
export const methodQuestion = 'Describe this picture.';
export const answerTokens = 8;

/** The first one is what the others are compared with. */
const methods = ['none', 'mustdrop', 'fastv', 'sparsevlm', 'tome', 'cls-top-k'] as const;
export type BenchedMethod = (typeof methods)[number];

const titles: Readonly<Record<BenchedMethod, string>> = {
  none: 'no pruning',
  mustdrop: 'MustDrop',
  fastv: 'FastV',
  sparsevlm: 'SparseVLM',
  tome: 'ToMe',
  'cls-top-k': 'CLS top-k',
};

/** One layer in prefill. */
export interface LayerTime {
  /** Processor time of all threads, milliseconds, median of runs. That of the first layer includes making the sequence. */
  readonly processor: number;
  /** By formula F3. */
  readonly macs: number;
  readonly attentionRead: boolean;
  /** Visual tokens left the sequence behind this layer. */
  readonly shortened: boolean;
}

export interface MethodRow {
  readonly method: BenchedMethod;
  readonly title: string;
  /** Visual tokens, mean over layers; means over images. */
  readonly entering: number;
  readonly leaving: number;
  /** Milliseconds. */
  readonly prefill: Summary;
  /** To no pruning on the same image in the same round. */
  readonly prefillRatio: Summary;
  /** The same of processor time: waiting for a processor that others use does not count. */
  readonly processorRatio: Summary;
  readonly visionRatio: Summary;
  readonly stepRatio: Summary;
  /** By formula F3, means over images. */
  readonly macsRatio: number;
  readonly visionMacsRatio: number;
  readonly visionLayers: number;
  readonly cacheRatio: number;
  /** Of a traced run, mean over images. */
  readonly traceBytes: number;
  /** Trial prefills for the budget, once for each image; absent where parameters follow from the budget. */
  readonly solve?: Summary;
  /** [layers] */
  readonly layers: readonly LayerTime[];
  /** Processor time of prefill, and of that behind the decoder's layers, milliseconds, medians. */
  readonly processor: number;
  readonly afterLayers: number;
}

export interface MethodTimings {
  readonly rows: readonly MethodRow[];
  readonly rounds: number;
}

interface Run {
  readonly metadata: RunMetadata;
  /** [layers + 2], processor time of the process in milliseconds: as prefill begins, behind every layer, at the first logits. */
  readonly processor: readonly number[];
}

interface Measured {
  readonly run: Run;
  /** No pruning on the same image in the same round. */
  readonly full: Run;
}

/** @param rounds times that each method runs on each image */
export async function methodTimings(folder: string, rounds: number): Promise<MethodTimings> {
  const pipeline = new Pipeline();
  const request = (image: string, method: MethodRequest): AnalyzeRequest => ({
    imagePath: path.join(projectFolder, 'media/samples', image),
    question: methodQuestion,
    modelFolder: bundledModelFolder(),
    tracePath: path.join(folder, 'methods.fovea'),
    maxNewTokens: answerTokens,
    sampling: { mode: 'greedy' },
    method,
    device: 'cpu',
    threads: 0,
    progressToken: 'bench',
  });
  const traceBytes = async (image: string, method: MethodRequest): Promise<number> =>
    (await pipeline.analyze(request(image, method))).traceBytes;
  const run = async (image: string, method: MethodRequest): Promise<Run> => {
    const processor: number[] = [];
    const mark = (): void => {
      const { user, system } = process.cpuUsage();
      processor.push((user + system) / 1000);
    };
    const { metadata } = await pipeline.analyze(request(image, method), {
      traced: false,
      progress: ({ stage }) => {
        if (stage === 'prefill') mark();
      },
      observer: (_, step) => {
        if (step === 0) mark();
      },
    });
    return { metadata, processor };
  };
  try {
    const settled = await settle(run, traceBytes);
    const measured = new Map<BenchedMethod, Measured[]>(methods.map(method => [method, []]));
    for (let round = 0; round < rounds; round++) {
      for (const image of images) {
        console.log(`${image}, every method, ${round + 1} of ${rounds}`);
        const runs = new Map<BenchedMethod, Run>();
        // Another one comes first every time, so that none always runs after the same one.
        const turn = [...methods.slice(round % methods.length), ...methods.slice(0, round % methods.length)];
        for (const method of turn) runs.set(method, await run(image, settled.requests.get(`${method} ${image}`)!));
        for (const method of methods) {
          measured.get(method)!.push({ run: runs.get(method)!, full: runs.get('none')! });
        }
      }
    }
    return { rounds, rows: methods.map(method => rowOf(method, measured.get(method)!, settled)) };
  } finally {
    await pipeline.release();
  }
}

interface Settled {
  /** By "method image": the parameters that a first run came to, so that no timed run looks for them. */
  readonly requests: ReadonlyMap<string, MethodRequest>;
  /** Milliseconds that it took, by method. */
  readonly solves: ReadonlyMap<BenchedMethod, readonly number[]>;
  /** Of traces, by method: one of each image. */
  readonly traces: ReadonlyMap<BenchedMethod, readonly number[]>;
}

/** Runs everything once, which warms the process, too. */
async function settle(
  run: (image: string, method: MethodRequest) => Promise<Run>,
  traceBytes: (image: string, method: MethodRequest) => Promise<number>,
): Promise<Settled> {
  const requests = new Map<string, MethodRequest>();
  const solves = new Map<BenchedMethod, number[]>();
  const traces = new Map<BenchedMethod, number[]>();
  await run(images[0], { name: 'none' });
  for (const image of images) {
    for (const name of methods) {
      const { metadata } = await run(image, { name, ...(name !== 'none' && { budget }) });
      const { solve } = metadata.ms;
      const settled = { name, ...(name !== 'none' && { parameters: metadata.method.parameters }) };
      requests.set(`${name} ${image}`, settled);
      traces.set(name, [...(traces.get(name) ?? []), await traceBytes(image, settled)]);
      if (solve !== undefined) solves.set(name, [...(solves.get(name) ?? []), solve]);
    }
  }
  return { requests, solves, traces };
}

function rowOf(method: BenchedMethod, measured: readonly Measured[], settled: Settled): MethodRow {
  const solves = settled.solves.get(method);
  const traces = settled.traces.get(method)!;
  const runs = measured.map(({ run }) => run.metadata);
  const ratios = (value: (run: Run) => number): Summary =>
    summarize(measured.map(({ run, full }) => value(run) / value(full)));
  const mean = (value: (run: RunMetadata) => number): number =>
    runs.reduce((sum, run) => sum + value(run), 0) / runs.length;
  const meanRatio = (value: (run: RunMetadata) => number): number =>
    measured.reduce((sum, { run, full }) => sum + value(run.metadata) / value(full.metadata), 0) / measured.length;
  return {
    method,
    title: titles[method],
    entering: mean(run => meanEntering(reductionOf(run).layers)),
    leaving: mean(run => meanLeaving(reductionOf(run).layers)),
    prefill: summarize(runs.map(({ ms }) => ms.prefill)),
    prefillRatio: ratios(({ metadata }) => metadata.ms.prefill),
    processorRatio: ratios(processorTime),
    visionRatio: ratios(({ metadata }) => metadata.ms.vision),
    stepRatio: ratios(({ metadata }) => metadata.ms.decode / reductionOf(metadata).decodeSteps),
    macsRatio: meanRatio(run => macsOf(run).prefill),
    visionMacsRatio: meanRatio(run => macsOf(run).vision),
    visionLayers: reductionOf(runs[0]!).visionTokens.filter(tokens => tokens > 0).length,
    traceBytes: traces.reduce((sum, bytes) => sum + bytes, 0) / traces.length,
    cacheRatio: meanRatio(run => run.keyValueCacheBytes),
    ...(solves && { solve: summarize(solves) }),
    layers: layerTimes(measured.map(({ run }) => run)),
    processor: median(measured.map(({ run }) => processorTime(run))),
    afterLayers: median(measured.map(({ run }) => run.processor.at(-1)! - run.processor.at(-2)!)),
  };
}

function median(values: readonly number[]): number {
  return summarize(values).median;
}

function processorTime({ processor }: Run): number {
  return processor.at(-1)! - processor[0]!;
}

function reductionOf({ reduction }: RunMetadata): TokenReduction {
  if (!reduction) throw new Error('The run does not say what its method did.');
  return reduction;
}

function macsOf(run: RunMetadata): { readonly vision: number; readonly prefill: number } {
  return runMacs('F3', reductionOf(run), run.model)!;
}

function layerTimes(runs: readonly Run[]): LayerTime[] {
  const { hiddenSize, intermediateSize } = runs[0]!.metadata.model.decoder;
  const size = { hiddenSize, intermediateSize: intermediateSize! };
  return reductionOf(runs[0]!.metadata).layers.map(({ attentionRead }, index) => {
    const layers = runs.map(({ metadata }) => reductionOf(metadata).layers[index]!);
    return {
      processor: median(runs.map(({ processor }) => processor[index + 1]! - processor[index]!)),
      macs: median(layers.map(({ sequence }) => prefillMacs('F3', sequence, size))),
      attentionRead,
      shortened: layers.some(({ entering, leaving }) => leaving < entering),
    };
  });
}
