/** The engine on ONNX Runtime: one session per layer, weights read straight from the checkpoint's files. */
import { env } from 'onnxruntime-node';
import type { Checkpoint } from '../../checkpoint/checkpoint.ts';
import type { CrossAttentionWeights } from '../../checkpoint/cross-attention-weights.ts';
import type { HighResolutionProjections } from '../../checkpoint/high-resolution-weights.ts';
import { type ModelConfig } from '../../checkpoint/model-config.ts';
import type { PatchEmbeddingWeights } from '../../checkpoint/model-weights.ts';
import { FoveaError } from '../../errors.ts';
import { modelGraphs, type ModelParts } from '../../graph/model-graphs.ts';
import type { Device } from '../../rpc.ts';
import type {
  CrossAttentionRequest,
  CrossAttentionResult,
  DecoderLayerResult,
  DecoderStep,
  Engine,
  EngineDescription,
  EngineTensor,
  FetchedKeys,
  KeyValueCache,
  LoadProgress,
  RotaryRows,
  RowGroup,
  VisionAttentionOptions,
  VisionAttentionResult,
  VisualPlaces,
} from '../engine.ts';
import { type HighResolutionPlace, highResolutionTables, type RotaryKind } from '../high-resolution-rotary.ts';
import { HostCache } from '../host-cache.ts';
import { defaultThreads } from '../processor-cores.ts';
import { AttentionRollout } from './attention-rollout.ts';
import { combineRows, gatherRows } from './combine-rows.ts';
import { CrossAttentionSessions } from './cross-attention-sessions.ts';
import { runDecoderLayer } from './decoder-run.ts';
import { requireDevice } from './device.ts';
import { EnlargedEmbedding } from './enlarged-embedding.ts';
import { HostTensor, requireSize } from './host-tensor.ts';
import { loadProjections } from './load-projections.ts';
import { loadSessions, partList } from './load-sessions.ts';
import type { OnnxSession, SessionSettings } from './onnx-session.ts';
import { StepTables } from './step-tables.ts';

export interface OnnxEngineOptions {
  readonly device: Device;
  /** 0 lets the engine choose: one per physical core, at most 8. */
  readonly threads: number;
}

/**
 * Loads all sessions; yields to the event loop between them, which is where an abort is noticed.
 * @throws FoveaError `cancelled`, `device-unavailable` or `out-of-memory`
 */
export async function loadOnnxEngine(
  checkpoint: Checkpoint,
  options: OnnxEngineOptions,
  progress?: LoadProgress,
  signal?: AbortSignal,
): Promise<Engine> {
  const settings = { device: options.device, threads: options.threads || defaultThreads() };
  await requireDevice(settings.device);
  const sessions = await loadSessions(modelGraphs(checkpoint), settings, progress, signal);
  return new OnnxEngine(checkpoint, sessions, settings);
}

class OnnxEngine implements Engine {
  readonly description: EngineDescription;
  readonly #config: ModelConfig;
  readonly #sessions: ModelParts<OnnxSession>;
  readonly #tables: StepTables;
  readonly #settings: SessionSettings;
  #highResolution:
    { readonly weights: HighResolutionProjections; readonly sessions: ReadonlyMap<number, OnnxSession> } | undefined;

  readonly #patchEmbedding: PatchEmbeddingWeights;

  constructor({ config, model }: Checkpoint, sessions: ModelParts<OnnxSession>, settings: SessionSettings) {
    this.#config = config;
    this.#patchEmbedding = model.patchEmbedding;
    this.#sessions = sessions;
    this.#settings = settings;
    this.#tables = new StepTables(config.decoder);
    const version = env.versions.node ?? env.versions.common;
    this.description = { name: 'ONNX Runtime', version, ...settings, arithmetic: 'F32' };
  }

  async embedPatches(pixels: Float32Array): Promise<EngineTensor> {
    const { vision } = this.#config;
    const shape = [1, 3, vision.imageSize, vision.imageSize];
    if (pixels.length > 3 * vision.imageSize ** 2) {
      this.#enlarged ??= await EnlargedEmbedding.load(vision, this.#patchEmbedding, this.#settings);
      return this.#enlarged.run(pixels);
    }
    requireSize('pixels', pixels.length, 3 * vision.imageSize ** 2);
    return (await this.#sessions.patchEmbedding.run({ pixels: new HostTensor(pixels, shape) }, ['hidden_out']))
      .hidden_out;
  }

  async runVisionAttention(
    layer: number,
    hidden: EngineTensor,
    { traced, keys, keyBias }: VisionAttentionOptions,
  ): Promise<VisionAttentionResult> {
    const input = rowsOf(hidden, this.#config.vision.hiddenSize);
    const tokens = input.size(0);
    const bias = keyBias ?? new Float32Array(tokens);
    requireSize('key biases', bias.length, tokens);
    const outputs: Partial<Record<VisionOutput, HostTensor>> = await layerOf(
      this.#sessions.visionAttentions,
      layer,
    ).run(
      {
        hidden: input,
        key_bias: new HostTensor(bias, [1, tokens]),
        traced_rows: BigInt64Array.of(BigInt(traced ? tokens : 0)),
      },
      ['middle', ...(traced ? tracedOutputs : []), ...(keys ? (['mean_keys'] as const) : [])],
    );
    return {
      middle: outputs.middle!,
      ...(traced && { clsAttention: outputs.cls_attention!.data, meanAttention: outputs.mean_attention!.data }),
      ...(keys && { keys: outputs.mean_keys!.data }),
    };
  }

  async runVisionMlp(layer: number, middle: EngineTensor): Promise<EngineTensor> {
    const input = rowsOf(middle, this.#config.vision.hiddenSize);
    return (await layerOf(this.#sessions.visionMlps, layer).run({ middle: input }, ['hidden_out'])).hidden_out;
  }

  async followAttention(attention: readonly Float32Array[]): Promise<Float32Array> {
    requireSize('layers of attention', attention.length, this.#config.vision.layers);
    this.#rollout ??= await AttentionRollout.load(attention.length, this.#settings);
    return this.#rollout.run(attention);
  }

  async project(features: readonly EngineTensor[]): Promise<EngineTensor> {
    const { vision, featureLayers } = this.#config;
    requireSize('feature layers', features.length, featureLayers.length);
    const rows = features.map(feature => rowsOf(feature, vision.hiddenSize));
    const inputs = Object.fromEntries(rows.map((feature, index) => [`features_${index}`, feature]));
    return (await this.#sessions.projector.run(inputs, ['visual'])).visual;
  }

  async embedTokens(ids: readonly number[]): Promise<EngineTensor> {
    const { vocabularySize } = this.#config.decoder;
    const unknown = ids.find(id => id < 0 || id >= vocabularySize);
    if (unknown !== undefined) {
      const message = `The token ${unknown} is beyond the model's embedding of ${vocabularySize} tokens.`;
      const hint = 'tokenizer.json and the weights belong to different models: download both from the same place.';
      throw new FoveaError('shape-mismatch', message, hint);
    }
    const inputs = { ids: BigInt64Array.from(ids, BigInt) };
    return (await this.#sessions.tokenEmbedding.run(inputs, ['hidden_out'])).hidden_out;
  }

  concatenate(parts: readonly EngineTensor[]): EngineTensor {
    const width = this.#config.decoder.hiddenSize;
    const tensors = parts.map(part => rowsOf(part, width));
    const stacked = HostTensor.zeros([tensors.reduce((rows, tensor) => rows + tensor.size(0), 0), width]);
    let offset = 0;
    for (const { data } of tensors) {
      stacked.data.set(data, offset);
      offset += data.length;
    }
    return stacked;
  }

  combineRows(tensor: EngineTensor, groups: readonly RowGroup[]): EngineTensor {
    return combineRows(HostTensor.of(tensor), groups);
  }

  gatherRows(tensor: EngineTensor, rows: Int32Array): EngineTensor {
    return gatherRows(HostTensor.of(tensor), rows);
  }

  createCache(spare: number): KeyValueCache {
    const { layers, keyValueHeads, headSize } = this.#config.decoder;
    return new HostCache({ layers, rowSize: keyValueHeads * headSize, spare });
  }

  async runDecoderLayer(layer: number, hidden: EngineTensor, step: DecoderStep): Promise<DecoderLayerResult> {
    const { decoder } = this.#config;
    const input = rowsOf(hidden, decoder.hiddenSize);
    const session = layerOf(this.#sessions.decoderLayers, layer);
    return runDecoderLayer(session, { decoder, layer, hidden: input, step, tables: this.#tables });
  }

  async loadHighResolution(
    weights: HighResolutionProjections,
    progress?: LoadProgress,
    signal?: AbortSignal,
  ): Promise<void> {
    if (this.#highResolution?.weights.id === weights.id) return;
    await this.#releaseHighResolution();
    const sessions = await loadProjections(this.#config.decoder, weights, this.#settings, progress, signal);
    this.#highResolution = { weights, sessions };
  }

  async projectHighResolution(layer: number, features: EngineTensor, { cos, sin }: RotaryRows): Promise<FetchedKeys> {
    const { hiddenSize, keyValueHeads, headSize } = this.#config.decoder;
    const input = rowsOf(features, hiddenSize);
    const tokens = input.size(0);
    requireSize('rotary angles', cos.length, (tokens * headSize) / 2);
    const session = this.#highResolution?.sessions.get(layer);
    if (!session) throw new RangeError(`There are no high-resolution projections for layer ${layer}.`);
    const rotaryShape = [tokens, 1, headSize / 2];
    const width = keyValueHeads * headSize;
    const { keys, values } = await session.run(
      { features: input, cos: new HostTensor(cos, rotaryShape), sin: new HostTensor(sin, rotaryShape) },
      ['keys', 'values'],
    );
    const rows = ({ data }: HostTensor): HostTensor => new HostTensor(data, [tokens, width]);
    return { keys: rows(keys), values: rows(values) };
  }

  highResolutionRotary(kind: RotaryKind, place: HighResolutionPlace, sequenceLength: number): RotaryRows {
    const { rope, headSize } = this.#config.decoder;
    return highResolutionTables(kind, rope, headSize, place, sequenceLength);
  }

  async loadCrossAttention(
    weights: CrossAttentionWeights,
    progress?: LoadProgress,
    signal?: AbortSignal,
  ): Promise<void> {
    if (this.#crossAttention?.id === weights.id) return;
    await this.#releaseCrossAttention();
    const { hiddenSize } = this.#config.decoder;
    this.#crossAttention = await CrossAttentionSessions.load(weights, hiddenSize, this.#settings, progress, signal);
  }

  async placeCrossAttention(features: EngineTensor, places: VisualPlaces): Promise<EngineTensor> {
    return this.#cross().place(rowsOf(features, this.#config.decoder.hiddenSize), places);
  }

  async projectCrossAttention(layer: number, memory: EngineTensor): Promise<FetchedKeys> {
    return this.#cross().project(layer, rowsOf(memory, this.#config.decoder.hiddenSize));
  }

  async runCrossAttention(
    layer: number,
    hidden: EngineTensor,
    request: CrossAttentionRequest,
  ): Promise<CrossAttentionResult> {
    return this.#cross().attend(layer, rowsOf(hidden, this.#config.decoder.hiddenSize), request);
  }

  async logits(hidden: EngineTensor, row: number): Promise<Float32Array> {
    const { hiddenSize } = this.#config.decoder;
    const { data } = rowsOf(hidden, hiddenSize);
    const input = new HostTensor(data.subarray(row * hiddenSize, (row + 1) * hiddenSize), [1, hiddenSize]);
    requireSize('elements of the row', input.data.length, hiddenSize);
    const { logits } = await this.#sessions.languageHead.run({ hidden: input }, ['logits']);
    return logits.data;
  }

  read(tensor: EngineTensor): Float32Array {
    return HostTensor.of(tensor).data;
  }

  async release(): Promise<void> {
    await this.#releaseHighResolution();
    await this.#releaseCrossAttention();
    await this.#enlarged?.release();
    await this.#rollout?.release();
    await Promise.all(partList(this.#sessions).map(session => session.release()));
  }

  #enlarged: EnlargedEmbedding | undefined;
  #rollout: AttentionRollout | undefined;
  #crossAttention: CrossAttentionSessions | undefined;

  #cross(): CrossAttentionSessions {
    if (!this.#crossAttention) throw new RangeError('No cross-attention was loaded.');
    return this.#crossAttention;
  }

  async #releaseCrossAttention(): Promise<void> {
    const sessions = this.#crossAttention;
    this.#crossAttention = undefined;
    await sessions?.release();
  }

  async #releaseHighResolution(): Promise<void> {
    const sessions = [...(this.#highResolution?.sessions.values() ?? [])];
    this.#highResolution = undefined;
    await Promise.all(sessions.map(session => session.release()));
  }
}

type VisionOutput = 'middle' | 'cls_attention' | 'mean_attention' | 'mean_keys';
const tracedOutputs: readonly VisionOutput[] = ['cls_attention', 'mean_attention'];

/** @throws FoveaError `shape-mismatch` unless the tensor is [rows, width] */
function rowsOf(tensor: EngineTensor, width: number): HostTensor {
  const host = HostTensor.of(tensor);
  if (host.shape.length === 2) requireSize('columns', host.size(1), width);
  else requireSize('axes', host.shape.length, 2);
  return host;
}

function layerOf(layers: readonly OnnxSession[], layer: number): OnnxSession {
  const session = layers[layer];
  if (!session) throw new RangeError(`There is no layer ${layer}; the model has ${layers.length}.`);
  return session;
}
