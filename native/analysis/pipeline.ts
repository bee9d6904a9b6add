/** The composition root of an analysis: from a request to a trace on disk. */
import { resolve } from 'node:path';
import { partialExtension } from '../../trace/file.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import type { TraceTensors } from '../../trace/writer.ts';
import { gridSide, type ModelConfig } from '../checkpoint/model-config.ts';
import type { EngineDescription } from '../engine/engine.ts';
import { FoveaError } from '../errors.ts';
import { type DisplayCopy, makeDisplayCopy } from '../image/display-copy.ts';
import type { ModelInput } from '../image/preprocess.ts';
import { type ChosenMethod, chooseMethod, imageSideOf } from '../methods/choose-method.ts';
import { modelShape } from '../methods/model-shape.ts';
import { buildPrompt, type Prompt } from '../prompt/build-prompt.ts';
import { type AnalyzeRequest, type AnalyzeResult, devices, type StageProgress } from '../rpc.ts';
import { enlargedFiles, tilesOf } from './enlarged-model.ts';
import { makeHoverPictures, makeThumbnail, type Thumbnail } from './hover-pictures.ts';
import { letOthersRun } from './interruption.ts';
import { LoadedModel, type ModelFiles, openModelFiles } from './loaded-model.ts';
import { asMemoryError } from './memory.ts';
import { filesBeside, type MethodWeights, openMethodWeights } from './method-weights.ts';
import {
  type LogitsObserver,
  type ModelInput as RunInput,
  type ModelRun,
  runModel,
  type RunOptions,
} from './model-run.ts';
import { prepareOutput, requireSpace, writeOutput } from './output-file.ts';
import { describeRun } from './run-metadata.ts';
import { type PreparedRun, prepareInputs, sizeBesidePrompt } from './run-inputs.ts';
import { runBytes } from './run-memory.ts';
import { attentionBytes, type RecordedShape, summationSlack, TraceRecorder } from './trace-recorder.ts';

export interface AnalysisOptions {
  readonly progress?: ((progress: StageProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** False writes no trace and computes nothing that only a trace needs. */
  readonly traced?: boolean;
  readonly observer?: LogitsObserver;
}

export interface Analysis extends AnalyzeResult {
  readonly metadata: RunMetadata;
}

/** One analysis at a time; weights stay loaded until another model is asked for or `release` is called. */
export class Pipeline {
  readonly model = new LoadedModel();
  private partialTrace: string | undefined;

  /** The unfinished file of the trace that is being written now. */
  get unfinishedFile(): string | undefined {
    return this.partialTrace;
  }

  release(): Promise<void> {
    return this.model.release();
  }

  /**
   * Cancelled during the answer, it writes what was computed and returns it with state "cancelled".
   * @throws FoveaError; `cancelled` when there was nothing to write yet
   */
  async analyze(request: AnalyzeRequest, options: AnalysisOptions = {}): Promise<Analysis> {
    checkRequest(request);
    try {
      return await this.run(request, options);
    } catch (error) {
      throw asMemoryError(error);
    }
  }

  private async run(request: AnalyzeRequest, options: AnalysisOptions): Promise<Analysis> {
    const { progress, signal, traced = true } = options;
    const started = performance.now();
    const tracePath = resolve(request.tracePath);

    progress?.({ stage: 'image', done: 0, total: 1 });
    await letOthersRun(signal);
    if (traced) await prepareOutput(tracePath, [request.imagePath, ...(request.furtherImages ?? [])]);
    const loadable = await openModelFiles(resolve(request.modelFolder), request.visionTower);
    const side = request.method && imageSideOf(request.method, modelShape(loadable.checkpoint.config));
    const files = side === undefined ? loadable : enlargedFiles(loadable, side);
    const { checkpoint, tokenizer, template } = files;
    const { config } = checkpoint;
    const prompt = buildPrompt(request.question, request.maxNewTokens, config, tokenizer, template);
    const weights = await openMethodWeights(checkpoint, request.method ? [request.method] : []);
    const method = await methodOf(request, config, prompt, weights, signal);
    const ended = new AbortController();
    const unlessEnded = AbortSignal.any([ended.signal, ...(signal ? [signal] : [])]);
    const readFiles = [...checkpoint.files, ...filesBeside(weights)];
    const digests = traced ? early(this.model.digests.of(readFiles, unlessEnded)) : undefined;
    try {
      return await this.runMethod(
        { request, loadable, files, digests, prompt, weights, method, started, tracePath },
        options,
      );
    } finally {
      ended.abort();
      await method?.dispose?.();
    }
  }

  private async runMethod(prepared: PreparedRun, options: AnalysisOptions): Promise<Analysis> {
    const { request, loadable, files, prompt, started, tracePath } = prepared;
    const { progress, signal, traced = true, observer } = options;
    const { checkpoint, tokenizer } = files;
    const { config } = checkpoint;
    const { image, input, method, highResolution, crossAttention } = await prepareInputs(prepared, options);
    // The library's threads make them while the model runs.
    const pictures = traced ? early(Promise.all([makeDisplayCopy(image), makeThumbnail(image)])) : undefined;
    progress?.({ stage: 'image', done: 1, total: 1 });
    await letOthersRun(signal);

    const tiles = tilesOf(config.vision.imageSize, loadable.checkpoint.config.vision.imageSize);
    const shape = recordedShape(files, prompt, tiles);
    const beside = sizeBesidePrompt(prepared, { highResolution, crossAttention });
    if (traced) await requireSpace(tracePath, attentionBytes(shape, prompt.tokens.length) + beside.traceBytes);
    const recorder = traced ? new TraceRecorder(shape) : undefined;
    const { run, engine, load } = await this.answer(
      request,
      loadable,
      shape,
      { config, tokenizer, prompt, pixels: input.pixels, method, highResolution, crossAttention, tiles },
      { progress, signal, recorder, observer },
      beside.memoryBytes,
    );
    const [display, thumbnail] = (await pictures) ?? [];
    const metadata = describeRun({
      request,
      checkpoint,
      // Cancelled, or with files that are gone by now, a run is kept, and does not say what they were.
      files: await prepared.digests?.catch(() => undefined),
      engine,
      image,
      input,
      display: display ?? { mime: 'image/webp', width: image.width, height: image.height },
      prompt,
      run,
      ms: { load, ...run.ms, total: performance.now() - started },
      sumTolerance: recorder ? Math.max(recorder.sumTolerance, run.largestMiss + summationSlack) : 0,
    });
    if (!recorder || !display || !thumbnail) return analysisOf(metadata, tracePath, 0);
    progress?.({ stage: 'write', done: 0, total: 1 });
    const kept = await this.keep(prepared, metadata, { run, input, recorder, display, thumbnail });
    progress?.({ stage: 'write', done: 1, total: 1 });
    return kept;
  }

  /** Writes the trace, the hover's pictures included. */
  private async keep(
    { tracePath, started }: PreparedRun,
    described: RunMetadata,
    { run, input, recorder, display, thumbnail }: Recorded,
  ): Promise<Analysis> {
    const summary = recorder.summarizeAnswer(run.stop === 'end-of-sequence');
    const hovered = early(makeHoverPictures(thumbnail, described, summary));
    const recorded = { ...imageTensors(input, display), ...recorder.tensors(described.tokens.length), ...run.tensors };
    const { hover, tensors } = await hovered;
    const ms = { ...described.ms, total: performance.now() - started };
    const metadata = { ...described, ms, ...(hover && { hover }) };
    return analysisOf(metadata, tracePath, await this.write(tracePath, metadata, { ...recorded, ...tensors }));
  }

  /** Runs the model, loading its weights first if they are not in memory. */
  private async answer(
    request: AnalyzeRequest,
    files: ModelFiles,
    shape: RecordedShape,
    input: Omit<RunInput, 'maxNewTokens' | 'sampling'>,
    options: RunOptions,
    longInputBytes: number,
  ): Promise<Answered> {
    const { maxNewTokens, sampling } = request;
    const { config, prompt } = input;
    const loads = this.model.loads;
    const started = performance.now();
    const extra = runBytes(config, {
      promptLength: prompt.ids.length,
      textTokens: prompt.tokens.length,
      maxNewTokens,
      recorded: options.recorder ? shape : undefined,
      method: input.method && {
        allRows: input.method.method.readsAllRows?.(input.method.setup.parameters) ?? false,
        copied: input.method.module !== undefined,
      },
    });
    const engine = await this.model.require(files, request, extra + longInputBytes, options.progress, options.signal);
    const load = this.model.loads === loads ? 0 : performance.now() - started;
    const run = await runModel(engine, { ...input, maxNewTokens, sampling }, options);
    return { run, engine: engine.description, load };
  }

  private async write(path: string, metadata: RunMetadata, tensors: TraceTensors): Promise<number> {
    this.partialTrace = path + partialExtension;
    try {
      return await writeOutput(path, metadata, tensors);
    } finally {
      this.partialTrace = undefined;
    }
  }
}

/** Work that goes on meanwhile: if it fails, that is found where it is awaited, or not at all where the run ends before. */
function early<Result>(work: Promise<Result>): Promise<Result> {
  work.catch(() => undefined);
  return work;
}

interface Recorded {
  readonly run: ModelRun;
  readonly input: ModelInput;
  readonly recorder: TraceRecorder;
  readonly display: DisplayCopy;
  readonly thumbnail: Thumbnail;
}

interface Answered {
  readonly run: ModelRun;
  readonly engine: EngineDescription;
  readonly load: number;
}

/** @throws FoveaError `usage` */
function checkRequest({ imagePath, modelFolder, tracePath, maxNewTokens, device, threads }: AnalyzeRequest): void {
  const reject = (message: string, hint: string): never => {
    throw new FoveaError('usage', message, hint);
  };
  if (imagePath === '') reject('No image is named.', 'Name an image file.');
  if (modelFolder === '') reject('No model folder is named.', 'Name the folder of a Hugging Face checkpoint.');
  if (tracePath === '') reject('No trace is named.', 'Name a file that ends in .fovea.');
  if (!Number.isSafeInteger(maxNewTokens) || maxNewTokens < 1) {
    reject(`The longest answer is ${maxNewTokens} tokens.`, 'It must be a whole number from 1.');
  }
  if (!Number.isSafeInteger(threads) || threads < 0) {
    reject(`The number of threads is ${threads}.`, 'It must be a whole number; 0 chooses by itself.');
  }
  if (!devices.includes(device)) reject(`There is no device "${device}".`, `Devices: ${devices.join(', ')}.`);
}

/** @throws FoveaError `usage`, `budget-impossible` or `architecture-unsupported` */
async function methodOf(
  { method }: AnalyzeRequest,
  config: ModelConfig,
  prompt: Prompt,
  { projections, crossAttention }: MethodWeights,
  signal: AbortSignal | undefined,
): Promise<ChosenMethod | undefined> {
  if (!method) return undefined;
  if (config.selectStrategy === 'full' && method.name !== 'none') {
    throw new FoveaError(
      'architecture-unsupported',
      'This model keeps CLS among the visual tokens (vision_feature_select_strategy "full"); token methods are for patches.',
      'Run it without a method.',
    );
  }
  const after = prompt.tokens.filter(({ position }) => position > prompt.visual.first);
  const text = { before: prompt.tokens.length - after.length, after: after.map(token => token.text) };
  return chooseMethod(method, modelShape(config, projections?.description, crossAttention?.description), text, signal);
}

function analysisOf(metadata: RunMetadata, tracePath: string, traceBytes: number): Analysis {
  const { answer, model, status, ms } = metadata;
  return { tracePath, traceBytes, answer, bundledModel: model.bundled, state: status.state, ms, metadata };
}

function recordedShape({ checkpoint: { config } }: ModelFiles, prompt: Prompt, tiles: number): RecordedShape {
  const patches = gridSide(config.vision) ** 2;
  return {
    ...(tiles > 1 && { tilePatches: patches / tiles ** 2 }),
    visionLayers: config.vision.layers,
    visionHeads: config.vision.heads,
    patches,
    layers: config.decoder.layers,
    heads: config.decoder.heads,
    visualTokens: prompt.visual.count,
  };
}

function imageTensors(input: ModelInput, display: DisplayCopy): TraceTensors {
  return {
    'image.input': { dtype: 'U8', shape: [input.height, input.width, 3], data: input.rgb },
    'image.display': { dtype: 'U8', shape: [display.bytes.length], data: display.bytes },
  };
}
