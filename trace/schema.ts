/**
 * What a trace contains: the one place that lists its tensors (names, shapes, units) and the run's metadata.
 * A trace is a safetensors file; `RunMetadata` is JSON under the key `fovea` of its `__metadata__`.
 */

import { crossMaps, crossRows, crossTokens, type CrossAttention } from './cross-attention.ts';
import { crossAttentionTensorSpecs } from './cross-attention-tensors.ts';
import { fateTensorSpecs } from './fate-tensors.ts';
import { firstScore, type TokenReduction } from './fates.ts';
import { type HighResolution, highResolutionGroups, stepCount } from './high-resolution.ts';
import { highResolutionTensorSpecs } from './high-resolution-tensors.ts';
import type { ModelIdentity } from './model-files.ts';
import type { Axis, TensorSpec } from './tensor-spec.ts';

export const schemaVersion = 1;
export const traceExtension = '.fovea';
/** The key of `__metadata__` that holds the run as JSON, and the value of "format" beside it. */
export const metadataKey = 'fovea';
export const formatName = 'fovea-trace';

/** Where a text token comes from. `system` is everything the chat template adds around the question. */
export type TokenRole = 'bos' | 'system' | 'question' | 'generated';

/** The groups that a row's attention is summed over, in the order of the last axis of `decoder.attention_mass`. */
export const massGroups = ['image', 'bos', 'system', 'question', 'generated'] as const;
export type MassGroup = (typeof massGroups)[number];

export interface TokenAlternative {
  readonly id: number;
  readonly text: string;
  /** Natural log of the model's own probability (before temperature and top-p). */
  readonly logprob: number;
}

/** One text token of the sequence; the visual tokens are not listed, they are `visual.first … + visual.count`. */
export interface TraceToken {
  readonly id: number;
  /** Decoded text, leading space kept; special tokens as written in the vocabulary. */
  readonly text: string;
  readonly role: TokenRole;
  /** Position in the decoder's sequence, visual tokens counted. */
  readonly position: number;
  /** Generated tokens only: natural log of the probability the model gave this token. */
  readonly logprob?: number;
  /** Generated tokens only: the five most probable tokens, most probable first. */
  readonly alternatives?: readonly TokenAlternative[];
}

/** Milliseconds, wall clock. `load` is 0 when the weights were already in memory. */
export interface StageTimings {
  readonly load: number;
  readonly vision: number;
  /** Search for parameters that meet a budget; absent where none was needed. */
  readonly solve?: number;
  readonly prefill: number;
  readonly decode: number;
  readonly total: number;
}

export interface ModelDescription extends ModelIdentity {
  readonly architecture: string;
  readonly parameters: number;
  /** Precision of the weights on disk, e.g. "F16". Arithmetic precision is in `engine`. */
  readonly storedPrecision: string;
  readonly vision: {
    readonly layers: number;
    readonly heads: number;
    readonly hiddenSize: number;
    /** Width of the MLP; absent where the producer did not say. */
    readonly intermediateSize?: number;
    /** Indices of the layers whose output the projector reads, 0-based; the embedding is -1. */
    readonly featureLayers: readonly number[];
    readonly selectStrategy: 'default' | 'full';
  };
  readonly decoder: {
    readonly layers: number;
    readonly heads: number;
    readonly keyValueHeads: number;
    readonly headSize: number;
    readonly hiddenSize: number;
    /** Width of the gated MLP; absent where the producer did not say. */
    readonly intermediateSize?: number;
    readonly vocabularySize: number;
  };
}

export interface ImageDescription {
  readonly name: string;
  /** Absolute path at the time of the run; absent when the producer did not read a file. */
  readonly path?: string;
  /** sha256 of the file's bytes, hex: renamed and copied images still match. */
  readonly digest: string;
  readonly bytes: number;
  readonly format: string;
  /** Pixels after the EXIF orientation was applied. */
  readonly width: number;
  readonly height: number;
  /** What was done to an unusual image, for the reader: "first of 12 frames", "CMYK converted to sRGB" … */
  readonly notes: readonly string[];
  /** MIME type of the bytes in `image.display`, and their pixel size. */
  readonly display: { readonly mime: string; readonly width: number; readonly height: number };
  /** Size in pixels of `image.input`. */
  readonly input: { readonly width: number; readonly height: number };
  /** The part of the oriented image that the patches cover, in its pixels; beyond its edges where it was padded. */
  readonly crop: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
}

export interface VisualTokens {
  /** Position of the first visual token in the decoder's sequence. */
  readonly first: number;
  readonly count: number;
  /** Visual tokens before the first patch: 1 when the select strategy keeps CLS, else 0. */
  readonly leading: number;
  readonly grid: { readonly rows: number; readonly columns: number };
}

export type Sampling =
  | { readonly mode: 'greedy' }
  | { readonly mode: 'sample'; readonly temperature: number; readonly topP: number; readonly seed: number };

export type ParameterValue = number | string | boolean | readonly number[];

/** The token method of a run; "none" runs all visual tokens. */
export interface MethodDescription {
  readonly name: string;
  /** For the reader, e.g. "MustDrop"; absent for "none". */
  readonly title?: string;
  /** Whether it ran as the official code behaves or as the publication says, where they differ. */
  readonly variant?: 'code' | 'paper';
  /** All parameters with the values that ran. */
  readonly parameters: Readonly<Record<string, ParameterValue>>;
  /** Names of those that were set by hand; the others have the method's defaults, or what a budget implied. */
  readonly given?: readonly string[];
  /** A budget that was asked for, in visual tokens, and by which count it was met: entering or leaving, mean over layers. */
  readonly budget?: { readonly asked: number; readonly reached: number; readonly counted: 'entering' | 'leaving' };
  /** What the reader should know of how it ran, e.g. that thresholds were searched for. */
  readonly notes?: readonly string[];
  /** A method that fetched high-resolution tokens beside this one; `highResolution` of the run says how. */
  readonly beside?: {
    readonly name: string;
    readonly title: string;
    readonly variant?: 'code' | 'paper';
    readonly parameters: Readonly<Record<string, ParameterValue>>;
  };
  /** The module of the user's own method, and the sha256 of its text, hex. */
  readonly module?: { readonly path: string; readonly digest: string };
}

export interface RunMetadata {
  readonly schema: number;
  readonly id: string;
  /** ISO 8601. */
  readonly created: string;
  readonly status: { readonly state: 'complete' } | { readonly state: 'cancelled'; readonly after: string };
  readonly producer: { readonly name: string; readonly version: string };
  readonly engine: {
    readonly name: string;
    readonly version: string;
    /** Execution provider, e.g. "cpu". */
    readonly device: string;
    readonly hardware: string;
    readonly threads: number;
    readonly arithmetic: string;
  };
  readonly model: ModelDescription;
  readonly method: MethodDescription;
  /** What the method did to the visual tokens; absent where the producer did not say. */
  readonly reduction?: TokenReduction;
  /** High-resolution tokens that the decoder fetched; absent where the run had none. */
  readonly highResolution?: HighResolution;
  /** A long visual input that text rows read through cross-attention; absent where the run had none. */
  readonly crossAttention?: CrossAttention;
  readonly image: ImageDescription;
  readonly prompt: { readonly question: string; readonly text: string; readonly templateSource: string };
  readonly generation: {
    readonly maxNewTokens: number;
    readonly sampling: Sampling;
    readonly stop: 'end-of-sequence' | 'length' | 'cancelled';
  };
  readonly visual: VisualTokens;
  /** All text tokens by position: first the prompt's, then the generated ones. */
  readonly tokens: readonly TraceToken[];
  /** How many of `tokens` belong to the prompt. */
  readonly promptTokens: number;
  /** The answer as text, special tokens and surrounding space removed. */
  readonly answer: string;
  readonly ms: StageTimings;
  /** Precision of the attention tensors and the largest amount a probability row may miss its sum by because of it. */
  readonly attention: { readonly precision: 'F16' | 'F32'; readonly sumTolerance: number };
  /** Bytes of the key-value cache at the end of the run, as allocated. */
  readonly keyValueCacheBytes: number;
  /** What `hover.answer_overlay` shows; absent without it. */
  readonly hover?: HoverDescription;
}

export interface HoverDescription {
  /** Decoder layer, 0-based: the one that singles out parts of the image most. */
  readonly layer: number;
  readonly heads: 'mean';
  /** The top of the colour scale, which starts at 0: probability of the strongest patch. */
  readonly maximum: number;
}

/** The longest side of `image.thumbnail` and `hover.answer_overlay`, in pixels; the other one keeps the proportions. */
export const thumbnailSide = 200;

export type { Axis, TensorSpec, TraceDtype } from './tensor-spec.ts';

/**
 * A *row* is one run query of the decoder: row r belongs to `tokens[r]`, which predicts `tokens[r + 1]`. The last
 * token is never fed back, so there are `tokens.length - 1` rows; the row that predicts token t is row t - 1.
 */
export const tensorSpecs = {
  'image.input': {
    dtypes: ['U8'],
    axes: ['inputHeight', 'inputWidth', 'channels'],
    required: true,
    probability: false,
    unit: 'sRGB, 0 to 255',
    meaning: 'The pixels that the vision tower saw, before normalisation',
  },
  'image.display': {
    dtypes: ['U8'],
    axes: ['bytes'],
    required: true,
    probability: false,
    unit: 'encoded image',
    meaning: 'The oriented image for display, encoded as image.display.mime',
  },
  'image.thumbnail': {
    dtypes: ['U8'],
    axes: ['bytes'],
    required: false,
    probability: false,
    largest: 12_000,
    unit: 'encoded image',
    meaning: 'The oriented image, longest side 200 pixels, as WebP or JPEG',
  },
  'hover.answer_overlay': {
    dtypes: ['U8'],
    axes: ['bytes'],
    required: false,
    probability: false,
    largest: 14_000,
    unit: 'encoded image',
    meaning: 'The thumbnail under the attention of the answer at decoder layer hover.layer, as WebP or PNG',
  },
  'vision.cls_attention': {
    dtypes: ['F16', 'F32'],
    axes: ['visionLayers', 'visionHeads', 'patches'],
    required: true,
    probability: true,
    unit: 'probability',
    meaning: 'Attention of CLS to every patch; with vision.cls_self_attention each row sums to 1',
  },
  'vision.cls_self_attention': {
    dtypes: ['F32'],
    axes: ['visionLayers', 'visionHeads'],
    required: true,
    probability: true,
    unit: 'probability',
    meaning: 'Attention of CLS to itself',
  },
  'vision.rollout': {
    dtypes: ['F32'],
    axes: ['visionLayers', 'patches'],
    required: false,
    probability: true,
    unit: 'share of CLS',
    meaning:
      'Attention rollout (Abnar and Zuidema 2020) from CLS after this layer down to the patches, head mean, identity 0.5',
  },
  'decoder.attention_to_image': {
    dtypes: ['F16', 'F32'],
    axes: ['rows', 'layers', 'heads', 'visualTokens'],
    required: true,
    probability: true,
    unit: 'probability',
    meaning: 'Attention of a text token to every visual token',
  },
  'decoder.attention_to_text': {
    dtypes: ['F16', 'F32'],
    axes: ['rows', 'layers', 'tokens'],
    required: true,
    probability: true,
    unit: 'probability',
    meaning: 'Attention of a text token to every text token up to itself, mean over heads; 0 for later tokens',
  },
  'decoder.attention_mass': {
    dtypes: ['F32'],
    axes: ['rows', 'layers', 'heads', 'groups'],
    required: true,
    probability: true,
    unit: 'probability',
    meaning: 'Attention summed over image, bos, system, question, generated; sums to 1',
  },
  ...fateTensorSpecs,
  ...highResolutionTensorSpecs,
  ...crossAttentionTensorSpecs,
} as const satisfies Record<string, TensorSpec>;

export type TensorName = keyof typeof tensorSpecs;
export const tensorNames = Object.keys(tensorSpecs) as TensorName[];

/** The number of decoder rows recorded for a run with this many text tokens. */
export function rowCount(metadata: Pick<RunMetadata, 'tokens'>): number {
  return Math.max(0, metadata.tokens.length - 1);
}

/** The length of each axis as the metadata implies it; `undefined` where only the file knows (`bytes`). */
export function axisLength(axis: Axis, metadata: RunMetadata): number | undefined {
  const { model, visual, image } = metadata;
  switch (axis) {
    case 'visionLayers':
      return model.vision.layers;
    case 'visionHeads':
      return model.vision.heads;
    case 'patches':
      return visual.grid.rows * visual.grid.columns;
    case 'rows':
      return rowCount(metadata);
    case 'layers':
      return model.decoder.layers;
    case 'heads':
      return model.decoder.heads;
    case 'visualTokens':
      return visual.count;
    case 'tokens':
      return metadata.tokens.length;
    case 'groups':
      return massGroups.length;
    case 'inputHeight':
      return image.input.height;
    case 'inputWidth':
      return image.input.width;
    case 'channels':
      return 3;
    case 'stages':
      return metadata.reduction?.stages.length ?? 0;
    case 'scores':
      return metadata.reduction ? firstScore(metadata.reduction.stages, metadata.reduction.stages.length) : 0;
    case 'steps':
      return stepCount(metadata);
    case 'selectionLayers':
      return metadata.highResolution?.layers.length ?? 0;
    case 'cells':
      return cellsOf(metadata.highResolution?.cells);
    case 'highResolutionTokens':
      return cellsOf(metadata.highResolution?.grid);
    case 'highResolutionGroups':
      return highResolutionGroups.length;
    case 'extremes':
      return 2;
    case 'crossRows':
      return crossRows(metadata);
    case 'crossLayers':
      return metadata.crossAttention?.layers.length ?? 0;
    case 'crossHeads':
      return metadata.crossAttention?.heads ?? 0;
    case 'crossMaps':
      return metadata.crossAttention ? crossMaps(metadata.crossAttention) : 0;
    case 'crossTokens':
      return metadata.crossAttention ? crossTokens(metadata.crossAttention) : 0;
    case 'frames':
      return metadata.crossAttention?.frames.length ?? 0;
    case 'bytes':
      return undefined;
  }
}

function cellsOf(grid: { readonly rows: number; readonly columns: number } | undefined): number {
  return grid ? grid.rows * grid.columns : 0;
}
