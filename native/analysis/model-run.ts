/** One image and one question through the model: vision tower, prefill, and token after token. */
import {
  massGroups,
  type Sampling,
  type StageTimings,
  type TokenAlternative,
  type TraceToken,
} from '../../trace/schema.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import type { AttentionQuery, Engine, EngineTensor, KeyValueCache } from '../engine/engine.ts';
import type { Prompt } from '../prompt/build-prompt.ts';
import type { TextTokenizer } from '../prompt/text-tokenizer.ts';
import type { StageProgress } from '../rpc.ts';
import { isCancellation, letOthersRun } from './interruption.ts';
import { createTokenChooser } from './sampling.ts';
import type { TraceRecorder } from './trace-recorder.ts';

export interface ModelInput {
  readonly config: ModelConfig;
  readonly tokenizer: TextTokenizer;
  readonly prompt: Prompt;
  /** [3, height, width], normalised */
  readonly pixels: Float32Array;
  readonly maxNewTokens: number;
  readonly sampling: Sampling;
}

export interface RunOptions {
  readonly progress?: ((progress: StageProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Without one, nothing is traced and vision layers that the projector does not need are left out. */
  readonly recorder?: TraceRecorder | undefined;
  readonly observer?: LogitsObserver | undefined;
}

/** Sees the logits [vocabulary] behind every token; step 0 is the last prompt position. */
export type LogitsObserver = (logits: Float32Array, step: number) => void;

export interface ModelRun {
  readonly generated: readonly TraceToken[];
  readonly answer: string;
  readonly stop: 'end-of-sequence' | 'length' | 'cancelled';
  readonly ms: Pick<StageTimings, 'vision' | 'prefill' | 'decode'>;
  readonly keyValueCacheBytes: number;
}

/**
 * Cancelled before the first token it throws; afterwards it ends with what there is.
 * @throws FoveaError `cancelled`, or what the engine reports
 */
export async function runModel(engine: Engine, input: ModelInput, options: RunOptions): Promise<ModelRun> {
  const choose = createTokenChooser(input.sampling);
  const started = performance.now();
  const visual = await runVision(engine, input, options);
  const seen = performance.now();
  options.recorder?.finishVision();

  const decoder = new DecoderRun(engine, input, options);
  const prefillStarted = performance.now();
  let logits = await decoder.prefill(visual);
  const prefilled = performance.now();

  const { tokenizer, prompt, maxNewTokens, config } = input;
  const texts = tokenizer.startDecoding();
  const generated: TraceToken[] = [];
  let answer = '';
  let stop: ModelRun['stop'] = 'length';
  for (;;) {
    options.observer?.(logits, generated.length);
    const { id, logprob, alternatives } = choose(logits);
    const named: TokenAlternative[] = alternatives.map(other => ({ ...other, text: texts.peek(other.id) }));
    const text = texts.push(id);
    const position = prompt.ids.length + generated.length;
    generated.push({ id, text, role: 'generated', position, logprob, alternatives: named });
    if (tokenizer.isText(id)) answer += text;
    options.progress?.({ stage: 'decode', done: generated.length, total: maxNewTokens, text: answer.trim() });
    if (config.endTokenIds.includes(id)) {
      stop = 'end-of-sequence';
      break;
    }
    if (generated.length >= maxNewTokens) break;
    try {
      logits = await decoder.step(id, position);
    } catch (error) {
      if (!isCancellation(error)) throw error;
      stop = 'cancelled';
      break;
    }
  }
  return {
    generated,
    answer: answer.trim(),
    stop,
    ms: { vision: seen - started, prefill: prefilled - prefillStarted, decode: performance.now() - prefilled },
    keyValueCacheBytes: decoder.cache.allocatedBytes,
  };
}

async function runVision(
  engine: Engine,
  { config, pixels }: ModelInput,
  { progress, signal, recorder }: RunOptions,
): Promise<EngineTensor> {
  const wanted = new Set(config.featureLayers);
  const features = new Map<number, EngineTensor>();
  const layers = recorder ? config.vision.layers : Math.max(...wanted) + 1;
  progress?.({ stage: 'vision', done: 0, total: layers });
  await letOthersRun(signal);
  let hidden = await engine.embedPatches(pixels);
  if (wanted.has(-1)) features.set(-1, hidden);
  for (let layer = 0; layer < layers; layer++) {
    await letOthersRun(signal);
    const result = await engine.runVisionLayer(layer, hidden, recorder !== undefined);
    hidden = result.hidden;
    if (wanted.has(layer)) features.set(layer, hidden);
    if (result.clsAttention && result.meanAttention) {
      recorder?.addVisionLayer(layer, result.clsAttention, result.meanAttention);
    }
    progress?.({ stage: 'vision', done: layer + 1, total: layers });
  }
  return engine.project(config.featureLayers.map(layer => features.get(layer)!));
}

/** The decoder's side of a run: its cache, and which group every position belongs to. */
class DecoderRun {
  readonly cache: KeyValueCache;
  /** Sequence positions of all text tokens that were fed. */
  private readonly textPositions: number[];
  /** [capacity, groups] */
  private readonly groups: Float32Array;

  constructor(
    private readonly engine: Engine,
    private readonly input: ModelInput,
    private readonly options: RunOptions,
  ) {
    const { prompt, maxNewTokens } = input;
    // The last token is never fed, so it needs no place.
    const capacity = prompt.ids.length + maxNewTokens - 1;
    this.cache = engine.createCache(capacity);
    this.textPositions = prompt.tokens.map(token => token.position);
    this.groups = groupMembership(prompt, capacity);
  }

  async prefill(visual: EngineTensor): Promise<Float32Array> {
    const { ids, visual: place } = this.input.prompt;
    const parts: EngineTensor[] = [];
    if (place.first > 0) parts.push(await this.engine.embedTokens(ids.slice(0, place.first)));
    parts.push(visual);
    const after = ids.slice(place.first + place.count);
    if (after.length > 0) parts.push(await this.engine.embedTokens(after));
    return this.run(this.engine.concatenate(parts), 0, Int32Array.from(this.textPositions), 'prefill');
  }

  /** Feeds the token chosen for `position`; the logits are those of the next one. */
  async step(id: number, position: number): Promise<Float32Array> {
    this.textPositions.push(position);
    return this.run(await this.engine.embedTokens([id]), position, Int32Array.of(0), 'decode');
  }

  private async run(
    embeddings: EngineTensor,
    position: number,
    rows: Int32Array,
    stage: 'prefill' | 'decode',
  ): Promise<Float32Array> {
    const { progress, signal, recorder } = this.options;
    const { prompt, config } = this.input;
    const count = embeddings.shape[0]!;
    const keys = position + count;
    const attention: AttentionQuery = {
      rows,
      visual: prompt.visual,
      groups: this.groups.subarray(0, keys * massGroups.length),
      groupCount: massGroups.length,
    };
    const step = {
      positions: Int32Array.from({ length: count }, (_, index) => position + index),
      sequenceLength: keys,
      cache: this.cache,
      ...(recorder && { attention }),
    };
    const writer = recorder?.startRows(rows.length, this.textPositions);
    const { layers } = config.decoder;
    let hidden = embeddings;
    for (let layer = 0; layer < layers; layer++) {
      await letOthersRun(signal);
      const result = await this.engine.runDecoderLayer(layer, hidden, step);
      hidden = result.hidden;
      if (result.attention) writer?.addLayer(layer, result.attention);
      if (stage === 'prefill') progress?.({ stage, done: layer + 1, total: layers });
    }
    const logits = await this.engine.logits(hidden, count - 1);
    writer?.finish();
    return logits;
  }
}

/** 1 where a position belongs to a group; positions after the prompt are generated ones. */
function groupMembership(prompt: Prompt, capacity: number): Float32Array {
  const membership = new Float32Array(capacity * massGroups.length);
  const assign = (position: number, group: (typeof massGroups)[number]): void => {
    membership[position * massGroups.length + massGroups.indexOf(group)] = 1;
  };
  for (let place = 0; place < prompt.visual.count; place++) assign(prompt.visual.first + place, 'image');
  for (const { position, role } of prompt.tokens) assign(position, role);
  for (let position = prompt.ids.length; position < capacity; position++) assign(position, 'generated');
  return membership;
}
