/** One image and one question through the model: vision tower, prefill, and token after token. */
import type { CrossAttention } from '../../trace/cross-attention.ts';
import type { TokenReduction } from '../../trace/fates.ts';
import type { HighResolution } from '../../trace/high-resolution.ts';
import type { MethodDescription, Sampling, StageTimings, TokenAlternative, TraceToken } from '../../trace/schema.ts';
import type { TraceTensors } from '../../trace/writer.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import type { Engine } from '../engine/engine.ts';
import type { ChosenMethod } from '../methods/choose-method.ts';
import type { Prompt } from '../prompt/build-prompt.ts';
import type { TextTokenizer } from '../prompt/text-tokenizer.ts';
import type { StageProgress } from '../rpc.ts';
import type { CrossAttentionInput } from './cross-attention-input.ts';
import { CrossAttentionRun } from './cross-attention-run.ts';
import { DecoderRun } from './decoder-run.ts';
import { type HighResolutionInput, HighResolutionRun } from './high-resolution-run.ts';
import { isCancellation } from './interruption.ts';
import { describeMethod, MethodRun } from './method-run.ts';
import { createTokenChooser } from './sampling.ts';
import type { TraceRecorder } from './trace-recorder.ts';
import { runVision } from './vision-run.ts';

export interface ModelInput {
  readonly config: ModelConfig;
  readonly tokenizer: TextTokenizer;
  readonly prompt: Prompt;
  /** [3, height, width], normalised */
  readonly pixels: Float32Array;
  readonly maxNewTokens: number;
  readonly sampling: Sampling;
  /** All visual tokens run if there is none. */
  readonly method?: ChosenMethod | undefined;
  /** Tiles at each side, where all tokens of a larger image go into the sequence. */
  readonly tiles?: number | undefined;
  /** Where the method fetches high-resolution tokens. */
  readonly highResolution?: HighResolutionInput | undefined;
  /** Where text rows read a long visual input; as it is, or prepared already. */
  readonly crossAttention?: CrossAttentionInput | CrossAttentionRun | undefined;
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
  readonly ms: Pick<StageTimings, 'vision' | 'solve' | 'prefill' | 'decode'>;
  readonly keyValueCacheBytes: number;
  readonly method: MethodDescription;
  readonly reduction: TokenReduction;
  readonly highResolution?: HighResolution;
  readonly crossAttention?: CrossAttention;
  /** `fates.*`, `high_resolution.*` and `cross_attention.*` */
  readonly tensors: TraceTensors;
  /** The largest amount by which a row of probabilities among them misses its sum. */
  readonly largestMiss: number;
}

/**
 * Cancelled before the first token it throws; afterwards it ends with what there is.
 * @throws FoveaError `cancelled`, or what the engine reports
 */
export async function runModel(engine: Engine, input: ModelInput, options: RunOptions): Promise<ModelRun> {
  const choose = createTokenChooser(input.sampling);
  const started = performance.now();
  const method = await MethodRun.start(input);
  const vision = await runVision(engine, input.config, input.pixels, {
    ...options,
    reducer: method.reducer,
    tiles: input.tiles,
  });
  const highResolution =
    input.highResolution && (await HighResolutionRun.prepare(engine, input, input.highResolution, options));
  const crossAttention =
    input.crossAttention instanceof CrossAttentionRun
      ? input.crossAttention
      : input.crossAttention &&
        (await CrossAttentionRun.prepare(engine, input, input.crossAttention, vision.visual, {
          ...options,
          traced: options.recorder !== undefined,
        }));
  const seen = performance.now();
  const solved = await method.solve(engine, input, vision.visual, options, highResolution);
  const fetching = highResolution?.reader(true);
  const decoder = new DecoderRun(engine, input, { ...options, reducer: method.reducer, fetching, crossAttention });
  const prefillStarted = performance.now();
  let logits = await decoder.prefill(vision.visual);
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
      logits = await decoder.step(id);
    } catch (error) {
      if (!isCancellation(error)) throw error;
      stop = 'cancelled';
      break;
    }
  }
  const decoded = performance.now();
  const steps = decoder.decodeSteps + 1;
  if (highResolution && fetching && options.recorder) await highResolution.measureReprojection(fetching);
  const read = await crossAttention?.describe();
  return {
    generated,
    answer: answer.trim(),
    stop,
    ms: {
      vision: seen - started,
      ...(solved && { solve: prefillStarted - seen }),
      prefill: prefilled - prefillStarted,
      decode: decoded - prefilled,
    },
    ...(highResolution && fetching && { highResolution: highResolution.describe(fetching, steps) }),
    ...(read && { crossAttention: read.described }),
    keyValueCacheBytes: decoder.cache.allocatedBytes,
    method: describeMethod(method, decoder.counts),
    reduction: {
      stages: method.reducer.record.stages,
      visionTokens: vision.tokens,
      ...(input.tiles && input.tiles > 1 && { visionTiles: input.tiles ** 2 }),
      layers: decoder.layerAccounts(),
      visualTokens: prompt.visual.count,
      decodeSteps: decoder.decodeSteps,
      decodePositions: method.reducer.hooks.decodePositions ?? 'continued',
    },
    largestMiss: Math.max(highResolution?.largestMiss ?? 0, crossAttention?.largestMiss ?? 0),
    tensors: options.recorder
      ? { ...method.reducer.record.tensors(), ...highResolution?.tensors(vision.visual), ...read?.tensors }
      : {},
  };
}
