import type { VisionConfig } from '../checkpoint/model-config.ts';
import { gridSide } from '../checkpoint/model-config.ts';
import type { PatchEmbeddingWeights } from '../checkpoint/model-weights.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { Graph } from './graph-builder.ts';

/** Pixels [1, 3, side, side] to hidden states [1 + patches, hidden]: CLS first, positions added, pre-norm applied. */
export function patchEmbeddingGraph(config: VisionConfig, weights: PatchEmbeddingWeights): Graph {
  const graph = new GraphBuilder();
  const patches = gridSide(config) ** 2;
  const pixels = graph.input('pixels', 'float32', [1, 3, config.imageSize, config.imageSize]);

  const raster = graph.convolve(pixels, graph.weight(weights.patches), config.patchSize);
  const patchRows = graph.transpose(graph.reshape(raster, [config.hiddenSize, patches]), [1, 0]);
  const cls = graph.reshape(graph.weight(weights.cls), [1, config.hiddenSize]);
  const embedded = graph.add(graph.concatenate(0, [cls, patchRows]), graph.weight(weights.positions));
  const { scale, bias } = weights.norm;
  const hidden = graph.layerNorm(embedded, graph.weight(scale), graph.weight(bias), config.normEpsilon);

  graph.output('hidden_out', hidden, [1 + patches, config.hiddenSize]);
  return graph.build('patch_embedding');
}
