import type { LinearWeights } from '../checkpoint/model-weights.ts';
import type { Float, GraphBuilder } from './graph-builder.ts';

/** [rows, inputs] to [rows, outputs] */
export function linear(graph: GraphBuilder, value: Float, weights: LinearWeights): Float {
  return graph.linear(value, graph.weight(weights.weight), weights.bias && graph.weight(weights.bias));
}
