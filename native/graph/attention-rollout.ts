import { GraphBuilder } from './graph-builder.ts';
import type { Float, Graph } from './graph-builder.ts';

/** Slice takes an end beyond the last column for the end. */
const beyondLastColumn = 2 ** 31 - 1;

/**
 * Attention rollout (Abnar and Zuidema 2020, section 3): attention followed through the residual connections, where a token
 * keeps one half of itself in every layer. Of the product of all layers only the row of CLS is wanted, so rows are multiplied
 * from the top down, the rows that start at lower layers joining on the way: no product of two maps is made.
 *
 * Inputs: `attention_0` … [tokens, tokens], per layer, mean over heads, CLS first; `cls` [1, tokens], 1 for CLS and 0 for all others.
 * Output: `rollout` [layers, patches], the share that every patch has in CLS after each layer.
 */
export function attentionRolloutGraph(layers: number): Graph {
  const graph = new GraphBuilder();
  const cls = graph.input('cls', 'float32', [1, 'tokens']);
  let shares: Float | undefined;
  for (let layer = layers - 1; layer >= 0; layer--) {
    const attention = graph.input(`attention_${layer}`, 'float32', ['tokens', 'tokens']);
    const rows: Float = shares ? graph.concatenate(0, [cls, shares]) : cls;
    // 0.5 A + 0.5 I with every row divided by its sum.
    const sums = graph.transpose(graph.sumOver(1, attention), [1, 0]);
    const weights = graph.divide(rows, graph.add(sums, graph.scalar(1)));
    shares = graph.add(weights, graph.matmul(weights, attention));
  }
  graph.output('rollout', graph.slice(shares ?? cls, 1, 1, beyondLastColumn), ['layers', 'patches']);
  return graph.build('attention_rollout');
}
