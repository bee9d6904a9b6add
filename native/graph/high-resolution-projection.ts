import type { DecoderConfig } from '../checkpoint/model-config.ts';
import type { LinearWeights } from '../checkpoint/model-weights.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { Float, Graph } from './graph-builder.ts';
import { linear } from './linear.ts';
import { rotaryInputs, rotate } from './rotary.ts';

export interface ProjectionWeights {
  readonly key: LinearWeights;
  readonly value: LinearWeights;
}

/**
 * Keys and values of high-resolution tokens for one decoder layer, from the projector's output as it is: no norm comes first
 * (FlexAttention, section 3.3).
 *
 * Inputs: `features` [tokens, hidden]; `cos`, `sin` [tokens, 1, head size / 2].
 * Outputs: `keys`, `values` [tokens, key-value heads, head size], keys rotated.
 */
export function highResolutionProjectionGraph(config: DecoderConfig, weights: ProjectionWeights, layer: number): Graph {
  const graph = new GraphBuilder();
  const { hiddenSize, keyValueHeads, headSize } = config;
  const features = graph.input('features', 'float32', ['tokens', hiddenSize]);
  const rotary = rotaryInputs(graph, headSize);
  const byHead = (projection: LinearWeights): Float =>
    graph.reshape(linear(graph, features, projection), [-1, keyValueHeads, headSize]);
  const shape = ['tokens', keyValueHeads, headSize];
  graph.output('keys', rotate(graph, byHead(weights.key), rotary), shape);
  graph.output('values', byHead(weights.value), shape);
  return graph.build(`high_resolution_projection_${layer}`);
}
