/**
 * What methods and tracing ask of an inference engine. Tensors stay with the engine; only the typed arrays asked for
 * come out. ONNX Runtime is the first engine, and nothing above this interface may know that.
 */

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
  /** Positions held by this layer. */
  length(layer: number): number;
  /** Bytes allocated over all layers, capacity included. */
  readonly allocatedBytes: number;
}

export interface VisionLayerResult {
  readonly hidden: EngineTensor;
  /** Present when traced: attention of CLS to itself and every patch, [heads, 1 + patches], probability. */
  readonly clsAttention?: Float32Array;
  /** Present when traced: attention averaged over heads, [1 + patches, 1 + patches], probability. */
  readonly meanAttention?: Float32Array;
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

export interface DecoderStep {
  /** Sequence positions of this step's queries, one per row of the hidden states; used for RoPE and the causal mask. */
  readonly positions: Int32Array;
  /** Length of the whole sequence after this step; decides the frequencies of dynamically scaled RoPE. */
  readonly sequenceLength: number;
  readonly cache: KeyValueCache;
  readonly attention?: AttentionQuery;
}

export interface DecoderLayerResult {
  readonly hidden: EngineTensor;
  readonly attention?: RowAttention;
}

export interface LoadProgress {
  (sessionsReady: number, sessionsTotal: number): void;
}

/** All calls reject with `FoveaError`: `out-of-memory`, `device-unavailable`, `shape-mismatch`. One call at a time. */
export interface Engine {
  readonly description: EngineDescription;
  /** Normalised pixels [channels, height, width] to [1 + patches, vision hidden size], CLS first, after the pre-norm. */
  embedPatches(pixels: Float32Array): Promise<EngineTensor>;
  runVisionLayer(layer: number, hidden: EngineTensor, traced: boolean): Promise<VisionLayerResult>;
  /** Outputs of the feature layers, in order, to visual tokens [visual tokens, decoder hidden size]; applies the select strategy. */
  project(features: readonly EngineTensor[]): Promise<EngineTensor>;
  /** [ids.length, decoder hidden size] */
  embedTokens(ids: readonly number[]): Promise<EngineTensor>;
  /** Stacks rows: the sequence of text and visual embeddings. */
  concatenate(parts: readonly EngineTensor[]): EngineTensor;
  /** Room for `capacity` positions per layer; grows when it must. @throws FoveaError `out-of-memory` */
  createCache(capacity: number): KeyValueCache;
  runDecoderLayer(layer: number, hidden: EngineTensor, step: DecoderStep): Promise<DecoderLayerResult>;
  /** Final norm and head for one row of the hidden states: [vocabulary size]. */
  logits(hidden: EngineTensor, row: number): Promise<Float32Array>;
  read(tensor: EngineTensor): Float32Array;
  /** Gives all memory back; the engine is unusable afterwards. */
  release(): Promise<void>;
}
