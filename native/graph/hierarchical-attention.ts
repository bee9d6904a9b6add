import type { DecoderConfig } from '../checkpoint/model-config.ts';
import type { Float, GraphBuilder } from './graph-builder.ts';
import { attentionScores, mergeHeads, weightedValues } from './grouped-attention.ts';
import { rotaryInputs, rotate } from './rotary.ts';

export interface PlainAttention {
  /** [tokens, heads, head size], not rotated yet */
  readonly queries: Float;
  /** [heads, tokens, keys], masked, before the softmax */
  readonly scores: Float;
  /** [keys, key-value heads, head size] */
  readonly values: Float;
  /** [tokens, heads x head size] */
  readonly context: Float;
}

/**
 * FlexAttention's hierarchical attention (arXiv 2407.20228, section 3.3): some rows attend to high-resolution keys besides the usual
 * ones, under a second softmax, and their outputs replace the plain ones. With no such rows these operators work on empty
 * tensors and the plain outputs pass bit by bit.
 *
 * Inputs: `fetching_rows` [fetching]; `fetching_cos`, `fetching_sin` [fetching, 1, head size / 2], where those rows stand relative to
 * the picture; `fetched_keys`, `fetched_values` [fetched, key-value heads, head size], keys rotated.
 * Outputs, of the last of those rows: `fetching_probabilities` [heads, fetching or 1, keys + fetched]; `plain_context` and
 * `fetching_context` [fetching or 1, heads x head size].
 */
export function addHierarchicalAttention(
  graph: GraphBuilder,
  config: DecoderConfig,
  { queries, scores, values, context }: PlainAttention,
): Float {
  const { heads, keyValueHeads, headSize } = config;
  const rows = graph.input('fetching_rows', 'int64', ['fetching']);
  const rotary = rotaryInputs(graph, headSize, 'fetching_', 'fetching');
  const keys = graph.input('fetched_keys', 'float32', ['fetched', keyValueHeads, headSize]);
  const fetchedValues = graph.input('fetched_values', 'float32', ['fetched', keyValueHeads, headSize]);

  const fetchingQueries = rotate(graph, graph.gather(queries, 0, rows), rotary);
  const fetchedScores = attentionScores(graph, config, fetchingQueries, keys);
  const plainScores = graph.gather(scores, 1, rows);
  const probabilities = graph.softmax(graph.concatenate(2, [plainScores, fetchedScores]));
  const plainCount = graph.sizeOf(values, 0);
  const fromPlain = weightedValues(graph, config, graph.slice(probabilities, 2, 0, plainCount), values);
  const fromFetched = weightedValues(
    graph,
    config,
    graph.slice(probabilities, 2, plainCount, beyondLast),
    fetchedValues,
  );
  const fetching = mergeHeads(graph, config, graph.add(fromPlain, fromFetched));

  const last = (value: Float, axis: number): Float => graph.slice(value, axis, -1, beyondLast);
  const width = heads * headSize;
  graph.output('fetching_probabilities', last(probabilities, 1), [heads, 'last', 'all_keys']);
  graph.output('plain_context', last(graph.gather(context, 0, rows), 0), ['last', width]);
  graph.output('fetching_context', last(fetching, 0), ['last', width]);
  return graph.replaceRows(context, rows, fetching);
}

/** Slice takes an end beyond the last row for the end. */
const beyondLast = 2 ** 31 - 1;
