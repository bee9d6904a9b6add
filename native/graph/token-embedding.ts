import type { DecoderConfig } from '../checkpoint/model-config.ts';
import type { Weight } from '../checkpoint/weight-index.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { Graph } from './graph-builder.ts';

/** `ids` [tokens] to `hidden_out` [tokens, hidden]. The table stays in its file, in the precision it has there. */
export function tokenEmbeddingGraph(config: DecoderConfig, table: Weight): Graph {
  const graph = new GraphBuilder();
  const ids = graph.input('ids', 'int64', ['tokens']);
  graph.output('hidden_out', graph.weightRows(table, ids), ['tokens', config.hiddenSize]);
  return graph.build('token_embedding');
}
