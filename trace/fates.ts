/**
 * The one story that every token method tells of every visual token: what became of it, at which stage, by which score.
 * Everything is told of the original patches, so that a stage paints back onto the image after merges and permutations.
 */

/** Values of `fates.fate`. A patch's fate is that of the visual token it is part of when the stage begins. */
export const fateNames = ['kept', 'merged', 'dropped', 'rescued', 'absent'] as const;
/** `rescued` stays although its own scores said drop; `absent` was gone before the stage. */
export type Fate = (typeof fateNames)[number];

export const noReason = 255;
export const noToken = -1;

/** The stage acts on the output of this layer; `cache` trims what this layer has stored, after prefill. */
export interface StagePlace {
  readonly tower: 'vision' | 'decoder' | 'cache';
  /** 0-based; -1 is the input of the tower's first layer. */
  readonly layer: number;
  /** In the vision tower: between the layer's attention and its MLP, which runs on what is left. */
  readonly inside?: true;
}

/** One number for each token that a stage looked at. `fates.scores` holds its values. */
export interface StageScore {
  readonly name: string;
  /** For the reader, e.g. "share of the text's attention". */
  readonly title: string;
  /** `textToken` values are indices into the run's `tokens`. */
  readonly unit: 'probability' | 'share' | 'cosine' | 'count' | 'distance' | 'density' | 'textToken' | 'number';
  /** Where the decision falls; absent for scores that inform only. */
  readonly cutoff?: {
    readonly value: number;
    /** What a token above the cut-off has coming. */
    readonly above: 'stays' | 'merges' | 'goes';
    /** Whether the cut-off itself counts as above. */
    readonly inclusive: boolean;
    /** A fixed number, or the score of the last of a fixed number of tokens. */
    readonly rule: 'threshold' | 'top-k';
  };
}

/** One number for each text token after the image. */
export interface TextScore extends StageScore {
  /** Index into the run's `tokens` of the first value's token; the others follow. */
  readonly first: number;
  readonly values: readonly number[];
}

export interface Stage {
  readonly id: string;
  /** For the reader, e.g. "Dual-attention filter". */
  readonly title: string;
  readonly place: StagePlace;
  /** Visual tokens before and after. */
  readonly entering: number;
  readonly leaving: number;
  readonly scores: readonly StageScore[];
  /** Scores of text tokens, where the method judged them. */
  readonly textScores?: readonly TextScore[];
  /** `fates.reason` indexes this list. */
  readonly reasons: readonly string[];
  /** Text tokens whose attention decided, indices into the run's `tokens`. */
  readonly raters?: readonly number[];
  /** What the reader should know, e.g. where the publication differs. */
  readonly notes: readonly string[];
}

/** What one decoder layer had to do. Tokens are visual ones unless said otherwise. */
export interface LayerAccount {
  /** In prefill, before and after what a stage does to this layer's output. */
  readonly entering: number;
  readonly leaving: number;
  /** All tokens entering in prefill, text included. */
  readonly sequence: number;
  /** Visual entries of the layer's key-value cache during decode. */
  readonly cached: number;
  /** All entries of the cache when the run ended. */
  readonly cacheLength: number;
  /** Bytes of the cache as allocated when the run ended, room for tokens to come included. */
  readonly cacheBytes: number;
  /** RoPE positions: of the last key after prefill and of the first decode step's query; absent without that step. */
  readonly lastKeyPosition: number;
  readonly queryPosition?: number;
  /** The method read this layer's attention map in prefill: a fused attention kernel could not have been used. */
  readonly attentionRead: boolean;
  /** Wall clock, prefill. */
  readonly prefillMs: number;
}

/** What a token method did, and what it cost. Tensors `fates.*` hold the stages' values. */
export interface TokenReduction {
  readonly stages: readonly Stage[];
  /** Tokens entering each vision layer, CLS included. */
  readonly visionTokens: readonly number[];
  /** Parts of the image that the vision tower saw one by one, these tokens shared among them; 1 where absent. */
  readonly visionTiles?: number;
  /** One per decoder layer. */
  readonly layers: readonly LayerAccount[];
  /** Visual tokens of the image before any stage. */
  readonly visualTokens: number;
  /** Decoder steps after prefill. */
  readonly decodeSteps: number;
  /** How positions go on in decode: from the sequence, or from each layer's own cache length. */
  readonly decodePositions: 'continued' | 'cache-length';
}

/** Mean over layers of the visual tokens entering: the honest compute number (E_in). */
export function meanEntering(layers: readonly Pick<LayerAccount, 'entering'>[]): number {
  return layers.reduce((sum, { entering }) => sum + entering, 0) / Math.max(1, layers.length);
}

/** Mean over layers of the visual tokens after each layer's pruning, as MustDrop and SparseVLM print it (E_out). */
export function meanLeaving(layers: readonly Pick<LayerAccount, 'leaving'>[]): number {
  return layers.reduce((sum, { leaving }) => sum + leaving, 0) / Math.max(1, layers.length);
}

/** Scores of all stages lie one after the other; the first one of a stage. */
export function firstScore(stages: readonly Stage[], stage: number): number {
  return stages.slice(0, stage).reduce((sum, { scores }) => sum + scores.length, 0);
}

/** Index of the last stage that acted before this decoder layer ran in prefill; -1 if none had. */
export function lastStageBefore(stages: readonly Stage[], layer: number): number {
  return stages.findLastIndex(
    ({ place }) => place.tower === 'vision' || (place.tower === 'decoder' && place.layer < layer),
  );
}
