import type { DecoderConfig } from '../checkpoint/model-config.ts';
import type { DecoderLayerWeights, LinearWeights } from '../checkpoint/model-weights.ts';
import { activate } from './activation.ts';
import { addAttentionTrace } from './attention-trace.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { Float, Graph } from './graph-builder.ts';
import { attend } from './grouped-attention.ts';
import { addHierarchicalAttention } from './hierarchical-attention.ts';
import { linear } from './linear.ts';
import { rmsNorm } from './rms-norm.ts';
import { rotaryInputs, rotate } from './rotary.ts';

/**
 * One layer of a Llama, Mistral or Qwen2 decoder.
 *
 * Inputs: `hidden` [tokens, hidden]; `cos`, `sin` [tokens, 1, head size / 2]; `mask` [tokens, keys], 0 or -infinity,
 * added to the scores; `past_keys`, `past_values` [past, key-value heads, head size], where keys = past + tokens; and
 * those of `addHierarchicalAttention` and `addAttentionTrace`.
 * Outputs: `hidden_out` [tokens, hidden]; `new_keys`, `new_values` [tokens, key-value heads, head size], keys rotated;
 * and those of the same two.
 */
export function decoderLayerGraph(config: DecoderConfig, weights: DecoderLayerWeights, layer: number): Graph {
  const graph = new GraphBuilder();
  const { hiddenSize, keyValueHeads, headSize } = config;
  const hidden = graph.input('hidden', 'float32', ['tokens', hiddenSize]);
  const rotary = rotaryInputs(graph, headSize);
  const mask = graph.input('mask', 'float32', ['tokens', 'keys']);
  const pastKeys = graph.input('past_keys', 'float32', ['past', keyValueHeads, headSize]);
  const pastValues = graph.input('past_values', 'float32', ['past', keyValueHeads, headSize]);

  const normed = rmsNorm(graph, hidden, weights.attentionNorm, config.normEpsilon);
  const byHead = (projection: LinearWeights, heads: number): Float =>
    graph.reshape(linear(graph, normed, projection), [-1, heads, headSize]);
  const unrotated = byHead(weights.query, config.heads);
  const queries = rotate(graph, unrotated, rotary);
  const newKeys = rotate(graph, byHead(weights.key, keyValueHeads), rotary);
  const newValues = byHead(weights.value, keyValueHeads);
  const keys = graph.concatenate(0, [pastKeys, newKeys]);
  const values = graph.concatenate(0, [pastValues, newValues]);

  const { scores, probabilities, context } = attend(graph, config, { queries, keys, values, mask });
  const fetched = addHierarchicalAttention(graph, config, { queries: unrotated, scores, values, context });
  const middle = graph.add(hidden, linear(graph, fetched, weights.output));
  const middleNormed = rmsNorm(graph, middle, weights.mlpNorm, config.normEpsilon);
  const gate = activate(graph, config.activation, linear(graph, middleNormed, weights.gate));
  const inner = graph.multiply(gate, linear(graph, middleNormed, weights.up));

  graph.output('hidden_out', graph.add(middle, linear(graph, inner, weights.down)), ['tokens', hiddenSize]);
  graph.output('new_keys', newKeys, ['tokens', keyValueHeads, headSize]);
  graph.output('new_values', newValues, ['tokens', keyValueHeads, headSize]);
  addAttentionTrace(graph, probabilities, config.heads);
  return graph.build(`decoder_layer_${layer}`);
}
