import type { VisionConfig } from '../checkpoint/model-config.ts';
import type { ClipLayerWeights, LinearWeights, NormWeights } from '../checkpoint/model-weights.ts';
import { activate } from './activation.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { Float, Graph } from './graph-builder.ts';
import { linear } from './linear.ts';

/**
 * Attention and its residual of one encoder layer of CLIP's vision tower. The MLP is a graph of its own, so that a method
 * can merge tokens between the two (ToMe, section 3).
 *
 * Inputs: `hidden` [tokens, hidden]; `key_bias` [1, tokens], added to the logits of each key; `traced_rows` [1], the number of
 * rows of the mean attention wanted: 0 or tokens.
 * Outputs: `middle` [tokens, hidden]; `cls_attention` [heads, 1, tokens]; `mean_attention` [traced rows, tokens];
 * `mean_keys` [tokens, head size].
 */
export function clipAttentionGraph(config: VisionConfig, weights: ClipLayerWeights, layer: number): Graph {
  const graph = new GraphBuilder();
  const hidden = graph.input('hidden', 'float32', ['tokens', config.hiddenSize]);
  const keyBias = graph.input('key_bias', 'float32', [1, 'tokens']);
  const tracedRows = graph.input('traced_rows', 'int64', [1]);

  const headSize = config.hiddenSize / config.heads;
  const normed = layerNorm(graph, config, hidden, weights.attentionNorm);
  /** Hidden states as [heads, tokens, head size], or [heads, head size, tokens] for keys. */
  const byHead = (projection: LinearWeights, order: readonly number[]): Float =>
    graph.transpose(graph.reshape(linear(graph, normed, projection), [-1, config.heads, headSize]), order);
  const queries = graph.multiply(byHead(weights.query, [1, 0, 2]), graph.scalar(headSize ** -0.5));
  const keys = byHead(weights.key, [1, 2, 0]);
  const values = byHead(weights.value, [1, 0, 2]);

  const probabilities = graph.softmax(graph.add(graph.matmul(queries, keys), keyBias));
  const context = graph.transpose(graph.matmul(probabilities, values), [1, 0, 2]);
  const attended = linear(graph, graph.reshape(context, [-1, config.hiddenSize]), weights.output);
  graph.output('middle', graph.add(hidden, attended), ['tokens', config.hiddenSize]);
  graph.output('cls_attention', graph.slice(probabilities, 1, 0, 1), [config.heads, 1, 'tokens']);
  const meanAttention = graph.meanOver(0, graph.slice(probabilities, 1, 0, tracedRows));
  graph.output('mean_attention', meanAttention, ['traced_rows', 'tokens']);
  graph.output('mean_keys', graph.transpose(graph.meanOver(0, keys), [1, 0]), ['tokens', headSize]);
  return graph.build(`vision_attention_${layer}`);
}

/** The MLP and its residual of the same layer. Input: `middle` [tokens, hidden]; output: `hidden_out` of the same shape. */
export function clipMlpGraph(config: VisionConfig, weights: ClipLayerWeights, layer: number): Graph {
  const graph = new GraphBuilder();
  const middle = graph.input('middle', 'float32', ['tokens', config.hiddenSize]);
  const normed = layerNorm(graph, config, middle, weights.mlpNorm);
  const inner = activate(graph, config.activation, linear(graph, normed, weights.up));
  graph.output('hidden_out', graph.add(middle, linear(graph, inner, weights.down)), ['tokens', config.hiddenSize]);
  return graph.build(`vision_mlp_${layer}`);
}

function layerNorm(graph: GraphBuilder, config: VisionConfig, value: Float, { scale, bias }: NormWeights): Float {
  return graph.layerNorm(value, graph.weight(scale), graph.weight(bias), config.normEpsilon);
}
