import type { Float, GraphBuilder } from './graph-builder.ts';

/**
 * The part of the attention that a trace keeps, cut out and reduced here so that [heads, tokens, keys] never leaves
 * the session. With no rows asked for, these operators work on empty tensors and cost nothing.
 *
 * Inputs: `rows` [rows], the queries of interest; `visual_start`, `visual_end` [1], the keys of the visual tokens;
 * `groups` [keys, groups], 0 or 1.
 * Outputs: `to_visual` [heads, rows, visual]; `mean_over_heads` [rows, keys]; `mass` [heads, rows, groups].
 *
 * @param probabilities [heads, tokens, keys]
 */
export function addAttentionTrace(graph: GraphBuilder, probabilities: Float, heads: number): void {
  const rows = graph.input('rows', 'int64', ['rows']);
  const visualStart = graph.input('visual_start', 'int64', [1]);
  const visualEnd = graph.input('visual_end', 'int64', [1]);
  const groups = graph.input('groups', 'float32', ['keys', 'groups']);
  const traced = graph.gather(probabilities, 1, rows);
  graph.output('to_visual', graph.slice(traced, 2, visualStart, visualEnd), [heads, 'rows', 'visual']);
  graph.output('mean_over_heads', graph.meanOver(0, traced), ['rows', 'keys']);
  graph.output('mass', graph.matmul(traced, groups), [heads, 'rows', 'groups']);
}
