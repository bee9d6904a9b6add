import type { DecoderConfig } from '../checkpoint/model-config.ts';
import type { HeadWeights } from '../checkpoint/model-weights.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { Graph } from './graph-builder.ts';
import { rmsNorm } from './rms-norm.ts';

/** Final norm and head: `hidden` [rows, hidden] to `logits` [rows, vocabulary]. */
export function languageHeadGraph(config: DecoderConfig, weights: HeadWeights): Graph {
  const graph = new GraphBuilder();
  const hidden = graph.input('hidden', 'float32', ['rows', config.hiddenSize]);
  const normed = rmsNorm(graph, hidden, weights.norm, config.normEpsilon);
  graph.output('logits', graph.linear(normed, graph.weight(weights.head)), ['rows', config.vocabularySize]);
  return graph.build('language_head');
}
