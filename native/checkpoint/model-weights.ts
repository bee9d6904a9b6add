/** Every weight the graphs need, by what it is for. */
import type { Weight } from './weight-index.ts';

export interface LinearWeights {
  /** [outputs, inputs] */
  readonly weight: Weight;
  readonly bias: Weight | undefined;
}

export interface NormWeights {
  readonly scale: Weight;
  readonly bias: Weight;
}

export interface PatchEmbeddingWeights {
  /** [hidden, 3, patch, patch] */
  readonly patches: Weight;
  readonly cls: Weight;
  /** [1 + patches, hidden] */
  readonly positions: Weight;
  readonly norm: NormWeights;
}

export interface ClipLayerWeights {
  readonly attentionNorm: NormWeights;
  readonly query: LinearWeights;
  readonly key: LinearWeights;
  readonly value: LinearWeights;
  readonly output: LinearWeights;
  readonly mlpNorm: NormWeights;
  readonly up: LinearWeights;
  readonly down: LinearWeights;
}

export interface ProjectorWeights {
  readonly first: LinearWeights;
  readonly second: LinearWeights;
}

export interface DecoderLayerWeights {
  readonly attentionNorm: Weight;
  readonly query: LinearWeights;
  readonly key: LinearWeights;
  readonly value: LinearWeights;
  readonly output: LinearWeights;
  readonly mlpNorm: Weight;
  readonly gate: LinearWeights;
  readonly up: LinearWeights;
  readonly down: LinearWeights;
}

export interface HeadWeights {
  readonly norm: Weight;
  /** [vocabulary, hidden] */
  readonly head: Weight;
}

export interface ModelWeights {
  readonly patchEmbedding: PatchEmbeddingWeights;
  readonly visionLayers: readonly ClipLayerWeights[];
  readonly projector: ProjectorWeights;
  /** [vocabulary, hidden] */
  readonly tokenEmbedding: Weight;
  readonly decoderLayers: readonly DecoderLayerWeights[];
  readonly head: HeadWeights;
}
