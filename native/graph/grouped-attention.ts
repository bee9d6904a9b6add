import type { DecoderConfig } from '../checkpoint/model-config.ts';
import type { Float, GraphBuilder } from './graph-builder.ts';

/** Query heads that share key-value heads. */
export type HeadLayout = Pick<DecoderConfig, 'heads' | 'keyValueHeads' | 'headSize'>;

interface AttentionInputs {
  /** [tokens, heads, head size] */
  readonly queries: Float;
  /** [keys, key-value heads, head size] */
  readonly keys: Float;
  readonly values: Float;
  readonly mask: Float;
}

export interface Attention {
  /** [heads, tokens, keys], masked, before the softmax */
  readonly scores: Float;
  /** [heads, tokens, keys] */
  readonly probabilities: Float;
  /** [tokens, heads x head size] */
  readonly context: Float;
}

/**
 * Grouped-query attention. The query heads that share a key-value head are stacked as more rows of one product, so
 * keys and values are never repeated: [key-value heads, group x tokens, head size] x [key-value heads, head size, keys].
 */
export function attend(
  graph: GraphBuilder,
  config: HeadLayout,
  { queries, keys, values, mask }: AttentionInputs,
): Attention {
  const scores = graph.add(attentionScores(graph, config, queries, keys), mask);
  const probabilities = graph.softmax(scores);
  const context = mergeHeads(graph, config, weightedValues(graph, config, probabilities, values));
  return { scores, probabilities, context };
}

/** Scaled products of queries [rows, heads, head size] and keys [keys, key-value heads, head size]: [heads, rows, keys]. */
export function attentionScores(
  graph: GraphBuilder,
  { heads, keyValueHeads, headSize }: HeadLayout,
  queries: Float,
  keys: Float,
): Float {
  const groupSize = heads / keyValueHeads;
  const scaled = graph.multiply(queries, graph.scalar(headSize ** -0.5));
  const grouped = graph.transpose(graph.reshape(scaled, [-1, keyValueHeads, groupSize, headSize]), [1, 2, 0, 3]);
  const stacked = graph.reshape(grouped, [keyValueHeads, -1, headSize]);
  return graph.reshape(graph.matmul(stacked, graph.transpose(keys, [1, 2, 0])), [heads, -1, 0]);
}

/** [heads, rows, keys] and values [keys, key-value heads, head size] to [key-value heads, group x rows, head size]. */
export function weightedValues(
  graph: GraphBuilder,
  { keyValueHeads }: HeadLayout,
  probabilities: Float,
  values: Float,
): Float {
  const stacked = graph.reshape(probabilities, [keyValueHeads, -1, 0]);
  return graph.matmul(stacked, graph.transpose(values, [1, 0, 2]));
}

/** What `weightedValues` returns to [rows, heads x head size]. */
export function mergeHeads(graph: GraphBuilder, { heads, keyValueHeads, headSize }: HeadLayout, context: Float): Float {
  const grouped = graph.reshape(context, [keyValueHeads, heads / keyValueHeads, -1, headSize]);
  return graph.reshape(graph.transpose(grouped, [2, 0, 1, 3]), [-1, heads * headSize]);
}
