import type { DecoderConfig } from '../checkpoint/model-config.ts';
import type { DecoderLayerWeights, LinearWeights } from '../checkpoint/model-weights.ts';
import { activate } from './activation.ts';
import { addAttentionTrace } from './attention-trace.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { Float, Graph } from './graph-builder.ts';
import { linear } from './linear.ts';
import { rmsNorm } from './rms-norm.ts';
import { rotaryInputs, rotate } from './rotary.ts';

/**
 * One layer of a Llama, Mistral or Qwen2 decoder.
 *
 * Inputs: `hidden` [tokens, hidden]; `cos`, `sin` [tokens, 1, head size / 2]; `mask` [tokens, keys], 0 or -infinity,
 * added to the scores; `past_keys`, `past_values` [past, key-value heads, head size], where keys = past + tokens; and
 * those of `addAttentionTrace`.
 * Outputs: `hidden_out` [tokens, hidden]; `new_keys`, `new_values` [tokens, key-value heads, head size], keys rotated;
 * and those of `addAttentionTrace`.
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
  const queries = rotate(graph, byHead(weights.query, config.heads), rotary);
  const newKeys = rotate(graph, byHead(weights.key, keyValueHeads), rotary);
  const newValues = byHead(weights.value, keyValueHeads);
  const keys = graph.concatenate(0, [pastKeys, newKeys]);
  const values = graph.concatenate(0, [pastValues, newValues]);

  const { probabilities, context } = attend(graph, config, { queries, keys, values, mask });
  const middle = graph.add(hidden, linear(graph, context, weights.output));
  const middleNormed = rmsNorm(graph, middle, weights.mlpNorm, config.normEpsilon);
  const gate = activate(graph, config.activation, linear(graph, middleNormed, weights.gate));
  const inner = graph.multiply(gate, linear(graph, middleNormed, weights.up));

  graph.output('hidden_out', graph.add(middle, linear(graph, inner, weights.down)), ['tokens', hiddenSize]);
  graph.output('new_keys', newKeys, ['tokens', keyValueHeads, headSize]);
  graph.output('new_values', newValues, ['tokens', keyValueHeads, headSize]);
  addAttentionTrace(graph, probabilities, config.heads);
  return graph.build(`decoder_layer_${layer}`);
}

interface AttentionInputs {
  /** [tokens, heads, head size] */
  readonly queries: Float;
  /** [keys, key-value heads, head size] */
  readonly keys: Float;
  readonly values: Float;
  readonly mask: Float;
}

interface Attention {
  /** [heads, tokens, keys] */
  readonly probabilities: Float;
  /** [tokens, heads x head size] */
  readonly context: Float;
}

/**
 * Grouped-query attention. The query heads that share a key-value head are stacked as more rows of one product, so
 * keys and values are never repeated: [key-value heads, group x tokens, head size] x [key-value heads, head size, keys].
 */
function attend(
  graph: GraphBuilder,
  config: DecoderConfig,
  { queries, keys, values, mask }: AttentionInputs,
): Attention {
  const { heads, keyValueHeads, headSize } = config;
  const groupSize = heads / keyValueHeads;
  const scaled = graph.multiply(queries, graph.scalar(headSize ** -0.5));
  const grouped = graph.transpose(graph.reshape(scaled, [-1, keyValueHeads, groupSize, headSize]), [1, 2, 0, 3]);
  const stacked = graph.reshape(grouped, [keyValueHeads, -1, headSize]);
  const scores = graph.matmul(stacked, graph.transpose(keys, [1, 2, 0]));
  const probabilities = graph.softmax(graph.add(graph.reshape(scores, [heads, -1, 0]), mask));
  const stackedProbabilities = graph.reshape(probabilities, [keyValueHeads, -1, 0]);
  const stackedContext = graph.matmul(stackedProbabilities, graph.transpose(values, [1, 0, 2]));
  const groupedContext = graph.reshape(stackedContext, [keyValueHeads, groupSize, -1, headSize]);
  const context = graph.reshape(graph.transpose(groupedContext, [2, 0, 1, 3]), [-1, heads * headSize]);
  return { probabilities, context };
}
