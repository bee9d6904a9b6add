/** What Fovea needs to know of a checkpoint, whatever the spelling of its config files. Sizes in elements. */

export type Activation = 'quick_gelu' | 'gelu' | 'gelu_tanh' | 'silu' | 'relu';

export interface VisionConfig {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  /** Side of the square input, pixels. */
  readonly imageSize: number;
  readonly patchSize: number;
  readonly normEpsilon: number;
  readonly activation: Activation;
}

/** Rotary embedding; `factor` and friends as in the `rope_scaling` / `rope_parameters` of Hugging Face configs. */
export type RopeConfig = { readonly theta: number } & (
  | { readonly kind: 'default' }
  | { readonly kind: 'linear'; readonly factor: number }
  | { readonly kind: 'dynamic'; readonly factor: number; readonly maxPositions: number }
  | {
      readonly kind: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalMaxPositions: number;
    }
  | {
      readonly kind: 'yarn';
      readonly factor: number;
      readonly originalMaxPositions: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      readonly attentionFactor: number;
      readonly truncate: boolean;
    }
);

export interface DecoderConfig {
  readonly family: 'llama' | 'mistral' | 'qwen2';
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  readonly vocabularySize: number;
  /** Longest sequence that runs as trained; a sliding window ends it, since shorter ones do not notice the window. */
  readonly maxPositions: number;
  readonly normEpsilon: number;
  readonly activation: Activation;
  readonly rope: RopeConfig;
  readonly queryKeyValueBias: boolean;
  readonly outputBias: boolean;
  readonly mlpBias: boolean;
  /** The language-model head is the transposed embedding. */
  readonly tiedHead: boolean;
}

export interface ModelConfig {
  /** Whose spelling the checkpoint is in: Hugging Face transformers', or that of LLaVA's own repository. */
  readonly layout: 'transformers' | 'llava';
  readonly architecture: string;
  readonly vision: VisionConfig;
  readonly projector: { readonly activation: Activation; readonly bias: boolean };
  /** Vision layers whose output feeds the projector, 0-based, concatenated in this order; -1 is the embedding. */
  readonly featureLayers: readonly number[];
  readonly selectStrategy: 'default' | 'full';
  /** Images are padded to a square whatever the processor says. */
  readonly padsImages: boolean;
  readonly decoder: DecoderConfig;
  /** Stands for the image in a prompt; below zero where the tokenizer has no token for it. */
  readonly imageTokenId: number;
  readonly bosTokenId: number | undefined;
  readonly endTokenIds: readonly number[];
}

/** Patches per side of the vision tower's input. */
export function gridSide(vision: VisionConfig): number {
  return Math.floor(vision.imageSize / vision.patchSize);
}

/** Visual tokens in the decoder's sequence: all patches, and CLS where the select strategy keeps it. */
export function visualTokenCount(config: ModelConfig): number {
  return gridSide(config.vision) ** 2 + (config.selectStrategy === 'full' ? 1 : 0);
}
