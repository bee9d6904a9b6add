/** Everything of one run that concerns its long visual input: encoded and projected once, read by text rows, described at the end. */
import type { CrossAttention } from '../../trace/cross-attention.ts';
import { bytesOf, type TraceTensors } from '../../trace/writer.ts';
import { gridSide, type ModelConfig } from '../checkpoint/model-config.ts';
import { readWeight } from '../checkpoint/read-weight.ts';
import type { Engine, EngineTensor, FetchedKeys, VisualPlaces } from '../engine/engine.ts';
import type { Prompt } from '../prompt/build-prompt.ts';
import type { StageProgress } from '../rpc.ts';
import { type CrossAttentionInput, framePictures } from './cross-attention-input.ts';
import { CrossAttentionRecorder } from './cross-attention-recorder.ts';
import { encodeTiles } from './high-resolution-image.ts';
import { letOthersRun } from './interruption.ts';

interface Options {
  readonly progress?: ((progress: StageProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Whether a trace is to tell of it. */
  readonly traced: boolean;
  /** Keeps the queries of all rows that read before this layer. */
  readonly queriesBefore?: number | undefined;
}

export class CrossAttentionRun {
  private readonly recorder: CrossAttentionRecorder | undefined;
  private readonly queriesBefore: number | undefined;
  private readonly queryRows: Float32Array[] = [];
  private readMs = 0;

  private constructor(
    private readonly engine: Engine,
    private readonly config: ModelConfig,
    private readonly input: CrossAttentionInput,
    private readonly keys: ReadonlyMap<number, FetchedKeys>,
    private readonly ms: Pick<CrossAttention['ms'], 'encode' | 'project'>,
    private readonly firstRow: number,
    { traced, queriesBefore }: Options,
  ) {
    this.queriesBefore = queriesBefore;
    const { heads } = input.weights.description;
    const tokens = keys.get(input.plan.layers[0]!)!.keys.shape[0]!;
    const shape = { layers: keys.size, heads, tokens, frames: input.frames.length };
    this.recorder = traced ? new CrossAttentionRecorder(shape) : undefined;
  }

  /**
   * Loads the weights, encodes the input, and projects keys and values of every layer.
   * @param visual tokens of the prompt's image, which is the first frame where frames are read
   * @throws FoveaError `cancelled` and what the engine reports
   */
  static async prepare(
    engine: Engine,
    { config, prompt }: { readonly config: ModelConfig; readonly prompt: Prompt },
    input: CrossAttentionInput,
    visual: EngineTensor,
    options: Options,
  ): Promise<CrossAttentionRun> {
    const { progress, signal } = options;
    await engine.loadCrossAttention(input.weights, undefined, signal);
    const started = performance.now();
    const { features, places } = input.large
      ? await tiledFeatures(engine, config, input, progress, signal)
      : await frameFeatures(engine, config, input, visual, progress, signal);
    const encoded = performance.now();
    const memory = await engine.placeCrossAttention(features, places);
    const keys = new Map<number, FetchedKeys>();
    for (const layer of input.plan.layers) {
      await letOthersRun(signal);
      keys.set(layer, await engine.projectCrossAttention(layer, memory));
    }
    const ms = { encode: encoded - started, project: performance.now() - encoded };
    const firstRow = prompt.tokens.filter(({ position }) => position < prompt.visual.first).length;
    return new CrossAttentionRun(engine, config, input, keys, ms, firstRow, options);
  }

  /** What enters the decoder layer: itself where the layer has no cross-attention or no row reads. @param firstRow of this step that reads */
  async read(layer: number, hidden: EngineTensor, firstRow: number): Promise<EngineTensor> {
    const keys = this.keys.get(layer);
    if (!keys || firstRow >= hidden.shape[0]!) return hidden;
    const started = performance.now();
    const result = await this.engine.runCrossAttention(layer, hidden, {
      ...keys,
      firstRow,
      traced: this.recorder !== undefined,
      wantsQueries: this.queriesBefore === layer,
    });
    if (result.queries) this.queryRows.push(result.queries);
    this.readMs += performance.now() - started;
    this.recorder?.add(this.input.plan.layers.indexOf(layer), result);
    return result.hidden;
  }

  keysBefore(layer: number): FetchedKeys {
    return this.keys.get(layer)!;
  }

  /** Of the layer that was asked for, not scaled: a block [rows, heads x head size] for prefill, and one for each step. */
  get queries(): readonly Float32Array[] {
    return this.queryRows;
  }

  finishStep(): void {
    this.recorder?.finishStep();
  }

  /** Words and tensors for the trace. */
  async describe(): Promise<{ readonly described: CrossAttention; readonly tensors: TraceTensors }> {
    const { input, config } = this;
    const { plan, weights, frames, large, framesAvailable, sources, crop, notes } = input;
    const { heads, keyValueHeads, headSize, source } = weights.description;
    const side = gridSide(config.vision) * (large?.tiles ?? 1);
    const pictures = await framePictures(this.recorder ? frames : []);
    const gates = await Promise.all(
      plan.layers.map(async layer => Math.tanh((await readWeight(weights.layers.get(layer)!.gate))[0]!)),
    );
    const described: CrossAttention = {
      input: large ? 'high-resolution' : 'frames',
      layers: plan.layers,
      heads,
      keyValueHeads,
      headSize,
      gates,
      firstRow: this.firstRow,
      grid: { rows: side, columns: side },
      tiles: { rows: large?.tiles ?? 1, columns: large?.tiles ?? 1, side: config.vision.imageSize },
      crop,
      maps: this.recorder?.maps ?? 'mean',
      frames: this.recorder ? pictures.described : frames.map(describeUntraced),
      framesAvailable,
      sources,
      weights: source,
      ms: { ...this.ms, read: this.readMs },
      cacheBytes: this.cacheBytes,
      notes,
    };
    if (!this.recorder) return { described, tensors: {} };
    const tensors: TraceTensors = {
      ...this.recorder.tensors(),
      ...(frames.length > 0 && {
        'cross_attention.pictures': { dtype: 'U8', shape: [pictures.bytes.length], data: bytesOf(pictures.bytes) },
      }),
    };
    return { described, tensors };
  }

  get largestMiss(): number {
    return this.recorder?.largestMiss ?? 0;
  }

  private get cacheBytes(): number {
    let elements = 0;
    for (const { keys, values } of this.keys.values()) {
      for (const { shape } of [keys, values]) elements += shape[0]! * shape[1]!;
    }
    return elements * Float32Array.BYTES_PER_ELEMENT;
  }
}

function describeUntraced({
  name,
  number,
  side,
}: CrossAttentionInput['frames'][number]): CrossAttention['frames'][number] {
  return { name, number, mime: 'image/webp', width: side, height: side, offset: 0, bytes: 0 };
}

export interface PlacedFeatures {
  /** [tokens, decoder hidden size], as the projector puts them out */
  readonly features: EngineTensor;
  readonly places: VisualPlaces;
}

/** The large image in raster order; each token's place is its tile. */
async function tiledFeatures(
  engine: Engine,
  config: ModelConfig,
  { large }: Pick<CrossAttentionInput, 'large'>,
  progress?: Options['progress'],
  signal?: AbortSignal,
): Promise<PlacedFeatures> {
  const { features, grid, tiles } = await encodeTiles(engine, config, large!, progress, signal);
  const places = Int32Array.from({ length: grid.rows * grid.columns }, (_, token) => {
    const row = Math.floor(token / grid.columns);
    const column = token % grid.columns;
    return Math.floor((row * tiles) / grid.rows) * tiles + Math.floor((column * tiles) / grid.columns);
  });
  return { features, places: { kind: 'tile', places } };
}

/** Frames one after another, as they are; the place of a token is its frame. @param first features of the first frame, which were computed already */
async function frameFeatures(
  engine: Engine,
  config: ModelConfig,
  { frames, pixelsOf }: Pick<CrossAttentionInput, 'frames' | 'pixelsOf'>,
  first: EngineTensor,
  progress?: Options['progress'],
  signal?: AbortSignal,
): Promise<PlacedFeatures> {
  const parts = [first];
  for (const frame of frames.slice(1)) {
    progress?.({ stage: 'frames', done: parts.length, total: frames.length });
    const image = { pixels: pixelsOf(frame), tiles: 1 };
    parts.push((await encodeTiles(engine, config, image, undefined, signal)).features);
  }
  progress?.({ stage: 'frames', done: frames.length, total: frames.length });
  const patches = gridSide(config.vision) ** 2;
  const places = Int32Array.from({ length: frames.length * patches }, (_, token) => Math.floor(token / patches));
  return { features: engine.concatenate(parts), places: { kind: 'frame', places } };
}
