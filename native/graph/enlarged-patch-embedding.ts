import type { VisionConfig } from '../checkpoint/model-config.ts';
import type { PatchEmbeddingWeights } from '../checkpoint/model-weights.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { Graph } from './graph-builder.ts';

/**
 * As `patchEmbeddingGraph`, for another image size: positions come from outside.
 * Inputs: `pixels` [1, 3, side, side]; `positions` [1 + patches, hidden]. Output: `hidden_out` [1 + patches, hidden].
 */
export function enlargedPatchEmbeddingGraph(config: VisionConfig, weights: PatchEmbeddingWeights): Graph {
  const graph = new GraphBuilder();
  const pixels = graph.input('pixels', 'float32', [1, 3, 'side', 'side']);
  const positions = graph.input('positions', 'float32', ['tokens', config.hiddenSize]);
  const raster = graph.convolve(pixels, graph.weight(weights.patches), config.patchSize);
  const patchRows = graph.transpose(graph.reshape(raster, [config.hiddenSize, -1]), [1, 0]);
  const cls = graph.reshape(graph.weight(weights.cls), [1, config.hiddenSize]);
  const embedded = graph.add(graph.concatenate(0, [cls, patchRows]), positions);
  const { scale, bias } = weights.norm;
  const hidden = graph.layerNorm(embedded, graph.weight(scale), graph.weight(bias), config.normEpsilon);
  graph.output('hidden_out', hidden, ['tokens', config.hiddenSize]);
  return graph.build('enlarged_patch_embedding');
}
