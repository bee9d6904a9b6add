import type { VisionConfig } from '../checkpoint/model-config.ts';
import type { ClipLayerWeights, LinearWeights, NormWeights } from '../checkpoint/model-weights.ts';
import { activate } from './activation.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { Float, Graph } from './graph-builder.ts';
import { linear } from './linear.ts';

/**
 * One encoder layer of CLIP's vision tower.
 *
 * Inputs: `hidden` [tokens, hidden]; `traced_rows` [1], the number of rows of the mean attention wanted: 0 or tokens.
 * Outputs: `hidden_out` [tokens, hidden]; `cls_attention` [heads, 1, tokens]; `mean_attention` [traced rows, tokens].
 */
export function clipLayerGraph(config: VisionConfig, weights: ClipLayerWeights, layer: number): Graph {
  const graph = new GraphBuilder();
  const hidden = graph.input('hidden', 'float32', ['tokens', config.hiddenSize]);
  const tracedRows = graph.input('traced_rows', 'int64', [1]);
  const norm = (value: Float, { scale, bias }: NormWeights): Float =>
    graph.layerNorm(value, graph.weight(scale), graph.weight(bias), config.normEpsilon);

  const headSize = config.hiddenSize / config.heads;
  const normed = norm(hidden, weights.attentionNorm);
  /** Hidden states as [heads, tokens, head size], or [heads, head size, tokens] for keys. */
  const byHead = (projection: LinearWeights, order: readonly number[]): Float =>
    graph.transpose(graph.reshape(linear(graph, normed, projection), [-1, config.heads, headSize]), order);
  const queries = graph.multiply(byHead(weights.query, [1, 0, 2]), graph.scalar(headSize ** -0.5));
  const keys = byHead(weights.key, [1, 2, 0]);
  const values = byHead(weights.value, [1, 0, 2]);

  const probabilities = graph.softmax(graph.matmul(queries, keys));
  const context = graph.transpose(graph.matmul(probabilities, values), [1, 0, 2]);
  const attended = linear(graph, graph.reshape(context, [-1, config.hiddenSize]), weights.output);
  const middle = graph.add(hidden, attended);

  const inner = activate(graph, config.activation, linear(graph, norm(middle, weights.mlpNorm), weights.up));
  graph.output('hidden_out', graph.add(middle, linear(graph, inner, weights.down)), ['tokens', config.hiddenSize]);
  graph.output('cls_attention', graph.slice(probabilities, 1, 0, 1), [config.heads, 1, 'tokens']);
  const meanAttention = graph.meanOver(0, graph.slice(probabilities, 1, 0, tracedRows));
  graph.output('mean_attention', meanAttention, ['traced_rows', 'tokens']);
  return graph.build(`vision_layer_${layer}`);
}
