/**
 * What methods and tracing ask of an inference engine. Tensors stay with the engine; only the typed arrays asked for
 * come out. ONNX Runtime is the first engine, and nothing above this interface may know that.
 */

import type { CrossAttentionWeights } from '../checkpoint/cross-attention-weights.ts';
import type { HighResolutionProjections } from '../checkpoint/high-resolution-weights.ts';
import type { HighResolutionPlace, RotaryKind } from './high-resolution-rotary.ts';

/** A tensor that lives in the engine, float32, row-major. */
export interface EngineTensor {
  readonly shape: readonly number[];
}

export interface EngineDescription {
  readonly name: string;
  readonly version: string;
  /** Execution provider in use. */
  readonly device: string;
  readonly threads: number;
  readonly arithmetic: string;
}

/** Keys and values of the positions run so far, per decoder layer; owned by one request. */
export interface KeyValueCache {
  /** Entries held by this layer. */
  length(layer: number): number;
  /** Their rotary positions, in order. */
  positions(layer: number): Int32Array;
  /** Bytes allocated for this layer, room to grow included. */
  layerBytes(layer: number): number;
  /** Bytes allocated over all layers, room to grow included. */
  readonly allocatedBytes: number;
  /** Forgets all entries of a layer but these, ascending, and gives the memory of the rest back. */
  keep(layer: number, entries: Int32Array): void;
}

export interface VisionAttentionOptions {
  /** Hand out the attention of CLS and the mean over heads. */
  readonly traced: boolean;
  /** Hand out the keys. */
  readonly keys?: boolean;
  /** Added to the logits of each key, [tokens]; zero if absent. */
  readonly keyBias?: Float32Array;
}

export interface VisionAttentionResult {
  /** After the residual of attention, before the MLP. */
  readonly middle: EngineTensor;
  /** Present when traced: attention of CLS to itself and every other token, [heads, tokens], probability. */
  readonly clsAttention?: Float32Array;
  /** Present when traced: attention averaged over heads, [tokens, tokens], probability. */
  readonly meanAttention?: Float32Array;
  /** Present when asked for: [tokens, head size], mean over heads. */
  readonly keys?: Float32Array;
}

/** Which attention a decoder layer is to hand out; everything else stays in the session. */
export interface AttentionQuery {
  /** Query rows of interest, indices into this step's positions. */
  readonly rows: Int32Array;
  /** Key positions of the visual tokens: [first, first + count). */
  readonly visual: { readonly first: number; readonly count: number };
  /** Membership of every key position in a mass group, [keys, groups], 0 or 1. */
  readonly groups: Float32Array;
  readonly groupCount: number;
}

export interface RowAttention {
  /** [heads, rows, visual tokens], probability */
  readonly toVisual: Float32Array;
  /** [rows, keys], mean over heads, probability */
  readonly meanOverHeads: Float32Array;
  /** [heads, rows, groups], probability */
  readonly mass: Float32Array;
}

/** Keys and values of high-resolution tokens for one layer. */
export interface FetchedKeys {
  /** [tokens, key-value heads x head size], rotated */
  readonly keys: EngineTensor;
  readonly values: EngineTensor;
}

/** Rows that attend to high-resolution keys besides the usual ones (FlexAttention). */
export interface Fetch extends FetchedKeys {
  /** Indices into this step's positions, ascending, at least one. */
  readonly rows: Int32Array;
  /** Where those rows stand relative to the picture: rotary positions of their queries for high-resolution keys. */
  readonly positions: Int32Array;
}

/** What fetching did for the last of its rows. */
export interface FetchedAttention {
  /** [heads, keys + high-resolution tokens], probability */
  readonly probabilities: Float32Array;
  /** Output of attention before its projection, with and without high-resolution tokens: [heads x head size]. */
  readonly context: Float32Array;
  readonly plainContext: Float32Array;
}

export interface DecoderStep {
  /** Rotary positions of this step's tokens, one per row of the hidden states. A row sees all of the cache, and itself and the rows above it. */
  readonly positions: Int32Array;
  /** Positions in all after this step; decides the frequencies of dynamically scaled RoPE. */
  readonly sequenceLength: number;
  readonly cache: KeyValueCache;
  /** Attention handed out is the one without high-resolution keys. */
  readonly attention?: AttentionQuery;
  readonly fetch?: Fetch;
}

export interface DecoderLayerResult {
  readonly hidden: EngineTensor;
  readonly attention?: RowAttention;
  readonly fetched?: FetchedAttention;
}

/** Which embedding each token of a long visual input has: that of its tile of a large image, or of its frame. */
export interface VisualPlaces {
  readonly kind: 'tile' | 'frame';
  /** [tokens], from 0 */
  readonly places: Int32Array;
}

/** Text rows that read a long visual input before a decoder layer. */
export interface CrossAttentionRequest extends FetchedKeys {
  /** Rows of this step from this one on read; those before it stay as they are, bit by bit. */
  readonly firstRow: number;
  /** Hand out the attention, and how much it changed the rows. */
  readonly traced?: boolean;
  readonly wantsQueries?: boolean;
}

export interface CrossAttentionResult {
  readonly hidden: EngineTensor;
  /** Present when traced: [heads, reading rows, tokens], probability. */
  readonly probabilities?: Float32Array;
  /** Present when traced: [reading rows], length of what was added, gate included, over the length of the row before. */
  readonly change?: Float32Array;
  /** Present when asked for: [reading rows, heads x head size], not scaled. */
  readonly queries?: Float32Array;
}

export interface RowGroup {
  readonly members: readonly number[];
  /** Equal shares that sum to 1 if absent. */
  readonly weights?: readonly number[];
}

export interface LoadProgress {
  (sessionsReady: number, sessionsTotal: number): void;
}

/** cos and sin of each token's rotary embedding, [tokens, head size / 2]. */
export interface RotaryRows {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/** All calls reject with `FoveaError`: `out-of-memory`, `device-unavailable`, `shape-mismatch`. One call at a time. */
export interface Engine {
  readonly description: EngineDescription;
  /**
   * Normalised pixels [channels, height, width] to [1 + patches, vision hidden size], CLS first, after the pre-norm. Positions
   * are interpolated for images larger than the vision tower's.
   */
  embedPatches(pixels: Float32Array): Promise<EngineTensor>;
  /** The first half of a vision layer; methods may change the tokens before the second. */
  runVisionAttention(
    layer: number,
    hidden: EngineTensor,
    options: VisionAttentionOptions,
  ): Promise<VisionAttentionResult>;
  runVisionMlp(layer: number, middle: EngineTensor): Promise<EngineTensor>;
  /**
   * Attention rollout: the share that every patch has in CLS after each layer, [layers, patches]. With what CLS keeps of itself, a
   * row sums to 1. @param attention `meanAttention` of all layers, of the same tokens
   */
  followAttention(attention: readonly Float32Array[]): Promise<Float32Array>;
  /** Outputs of the feature layers, in order, to visual tokens [visual tokens, decoder hidden size]; applies the select strategy. */
  project(features: readonly EngineTensor[]): Promise<EngineTensor>;
  /** [ids.length, decoder hidden size] */
  embedTokens(ids: readonly number[]): Promise<EngineTensor>;
  /** Stacks rows: the sequence of text and visual embeddings. */
  concatenate(parts: readonly EngineTensor[]): EngineTensor;
  /** A weighted sum of rows for each group: [groups, columns]. A group of one is copied bit by bit. */
  combineRows(tensor: EngineTensor, groups: readonly RowGroup[]): EngineTensor;
  /** These rows, in this order: [rows.length, columns]. */
  gatherRows(tensor: EngineTensor, rows: Int32Array): EngineTensor;
  /** An empty cache; a layer's memory holds its first step and `spare` positions more, and grows when it must. */
  createCache(spare: number): KeyValueCache;
  runDecoderLayer(layer: number, hidden: EngineTensor, step: DecoderStep): Promise<DecoderLayerResult>;
  /**
   * Makes the projections ready that this run reads high-resolution tokens with; those of another run before are given back.
   * @throws FoveaError `cancelled` as well
   */
  loadHighResolution(weights: HighResolutionProjections, progress?: LoadProgress, signal?: AbortSignal): Promise<void>;
  /** Keys and values of high-resolution tokens [tokens, decoder hidden size] for one layer whose projections were loaded. */
  projectHighResolution(layer: number, features: EngineTensor, rotary: RotaryRows): Promise<FetchedKeys>;
  /** Rotary tables of high-resolution tokens, as this model's embedding makes them. */
  highResolutionRotary(kind: RotaryKind, place: HighResolutionPlace, sequenceLength: number): RotaryRows;
  /** The same for gated cross-attention; sizes of heads are those of its description. @throws FoveaError `cancelled` as well */
  loadCrossAttention(weights: CrossAttentionWeights, progress?: LoadProgress, signal?: AbortSignal): Promise<void>;
  /** Features [tokens, decoder hidden size] as cross-attention reads them: normed, with the embedding of their places. */
  placeCrossAttention(features: EngineTensor, places: VisualPlaces): Promise<EngineTensor>;
  /** Keys and values for one layer of what `placeCrossAttention` returned. */
  projectCrossAttention(layer: number, memory: EngineTensor): Promise<FetchedKeys>;
  /** What enters the decoder layer once its rows have read. */
  runCrossAttention(layer: number, hidden: EngineTensor, request: CrossAttentionRequest): Promise<CrossAttentionResult>;
  /** Final norm and head for one row of the hidden states: [vocabulary size]. */
  logits(hidden: EngineTensor, row: number): Promise<Float32Array>;
  read(tensor: EngineTensor): Float32Array;
  /** Gives all memory back; the engine is unusable afterwards. */
  release(): Promise<void>;
}
