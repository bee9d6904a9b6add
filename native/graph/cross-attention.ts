/**
 * Gated cross-attention of text rows to a long visual input (Flamingo, arXiv 2204.14198, section 3.2; LLaVA-XAttn of arXiv 2407.20228):
 * what is read once per request, then each layer's keys and values, then every step's queries.
 */
import type { CrossAttentionDescription, CrossAttentionLayerWeights } from '../checkpoint/cross-attention-weights.ts';
import type { Weight } from '../checkpoint/weight-index.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { Float, Graph } from './graph-builder.ts';
import { attentionScores, mergeHeads, weightedValues } from './grouped-attention.ts';
import { linear } from './linear.ts';
import { rmsNorm } from './rms-norm.ts';

/**
 * What keys and values are made of: features, normed where the weights say so, plus the embedding of their place.
 *
 * Inputs: `features` [tokens, hidden], as the projector puts them out; `places` [tokens], rows of the embedding.
 * Output: `memory` [tokens, hidden].
 */
export function crossAttentionMemoryGraph(
  hiddenSize: number,
  { normEpsilon }: CrossAttentionDescription,
  { norm, embedding }: { readonly norm: Weight | undefined; readonly embedding: Weight },
): Graph {
  const graph = new GraphBuilder();
  const features = graph.input('features', 'float32', ['tokens', hiddenSize]);
  const places = graph.input('places', 'int64', ['tokens']);
  const normed = norm ? rmsNorm(graph, features, norm, normEpsilon) : features;
  const placed = graph.gather(graph.weight(embedding), 0, places);
  graph.output('memory', graph.add(normed, placed), ['tokens', hiddenSize]);
  return graph.build('cross_attention_memory');
}

/**
 * Input: `memory` [tokens, hidden]. Outputs: `keys`, `values` [tokens, key-value heads, head size]; no rotary embedding.
 */
export function crossAttentionKeysGraph(
  hiddenSize: number,
  { keyValueHeads, headSize }: CrossAttentionDescription,
  weights: CrossAttentionLayerWeights,
  layer: number,
): Graph {
  const graph = new GraphBuilder();
  const memory = graph.input('memory', 'float32', ['tokens', hiddenSize]);
  const shape = ['tokens', keyValueHeads, headSize];
  const byHead = (value: Float): Float => graph.reshape(value, [-1, keyValueHeads, headSize]);
  graph.output('keys', byHead(linear(graph, memory, weights.key)), shape);
  graph.output('values', byHead(linear(graph, memory, weights.value)), shape);
  return graph.build(`cross_attention_keys_${layer}`);
}

/**
 * Every row reads all keys, without a mask.
 *
 * Inputs: `hidden` [rows, hidden]; `keys`, `values` [tokens, key-value heads, head size].
 * Outputs: `hidden_out` [rows, hidden]; `update` [rows, hidden], what the gate let through; `queries` [rows, heads, head size];
 * `probabilities` [heads, rows, tokens].
 */
export function crossAttentionGraph(
  hiddenSize: number,
  description: CrossAttentionDescription,
  weights: CrossAttentionLayerWeights,
  layer: number,
): Graph {
  const graph = new GraphBuilder();
  const { heads, keyValueHeads, headSize, normEpsilon } = description;
  const hidden = graph.input('hidden', 'float32', ['rows', hiddenSize]);
  const keys = graph.input('keys', 'float32', ['tokens', keyValueHeads, headSize]);
  const values = graph.input('values', 'float32', ['tokens', keyValueHeads, headSize]);

  const normed = rmsNorm(graph, hidden, weights.norm, normEpsilon);
  const queries = graph.reshape(linear(graph, normed, weights.query), [-1, heads, headSize]);
  const probabilities = graph.softmax(attentionScores(graph, description, queries, keys));
  const context = mergeHeads(graph, description, weightedValues(graph, description, probabilities, values));
  const gate = graph.tanh(graph.weight(weights.gate));
  const update = graph.multiply(gate, linear(graph, context, weights.output));

  graph.output('hidden_out', graph.add(hidden, update), ['rows', hiddenSize]);
  graph.output('update', update, ['rows', hiddenSize]);
  graph.output('queries', queries, ['rows', heads, headSize]);
  graph.output('probabilities', probabilities, [heads, 'rows', 'tokens']);
  return graph.build(`cross_attention_${layer}`);
}
