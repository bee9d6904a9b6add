/** The table of contents of a model: which graphs it is made of, in the order in which they run. */
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { clipAttentionGraph, clipMlpGraph } from './clip-layer.ts';
import { decoderLayerGraph } from './decoder-layer.ts';
import type { Graph } from './graph-builder.ts';
import { languageHeadGraph } from './language-head.ts';
import { patchEmbeddingGraph } from './patch-embedding.ts';
import { projectorGraph } from './projector.ts';
import { tokenEmbeddingGraph } from './token-embedding.ts';

/** `S` is a graph, a function that builds it, or the session that runs it. */
export interface ModelParts<S> {
  readonly patchEmbedding: S;
  readonly visionAttentions: readonly S[];
  readonly visionMlps: readonly S[];
  readonly projector: S;
  readonly tokenEmbedding: S;
  readonly decoderLayers: readonly S[];
  readonly languageHead: S;
}

export type GraphFactory = () => Graph;

/** Graphs are built one at a time, when asked for. */
export function modelGraphs({ config, model }: Pick<Checkpoint, 'config' | 'model'>): ModelParts<GraphFactory> {
  const { vision, decoder } = config;
  return {
    patchEmbedding: () => patchEmbeddingGraph(vision, model.patchEmbedding),
    visionAttentions: model.visionLayers.map((weights, layer) => () => clipAttentionGraph(vision, weights, layer)),
    visionMlps: model.visionLayers.map((weights, layer) => () => clipMlpGraph(vision, weights, layer)),
    projector: () => projectorGraph(config, model.projector),
    tokenEmbedding: () => tokenEmbeddingGraph(decoder, model.tokenEmbedding),
    decoderLayers: model.decoderLayers.map((weights, layer) => () => decoderLayerGraph(decoder, weights, layer)),
    languageHead: () => languageHeadGraph(decoder, model.head),
  };
}
