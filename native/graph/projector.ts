import type { ModelConfig } from '../checkpoint/model-config.ts';
import type { ProjectorWeights } from '../checkpoint/model-weights.ts';
import { activate } from './activation.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { Graph } from './graph-builder.ts';
import { linear } from './linear.ts';

/** Slice takes an end beyond the last row for the end. */
const beyondLastRow = 2 ** 31 - 1;

/**
 * Inputs: `features_0`, `features_1` ... [tokens, vision hidden], the outputs of the feature layers, CLS first.
 * Output: `visual` [visual tokens, decoder hidden]; the select strategy "default" drops CLS.
 */
export function projectorGraph(config: ModelConfig, weights: ProjectorWeights): Graph {
  const graph = new GraphBuilder();
  const features = config.featureLayers.map((_, index) =>
    graph.input(`features_${index}`, 'float32', ['tokens', config.vision.hiddenSize]),
  );
  const joined = graph.concatenate(1, features);
  const selected = config.selectStrategy === 'full' ? joined : graph.slice(joined, 0, 1, beyondLastRow);
  const inner = activate(graph, config.projector.activation, linear(graph, selected, weights.first));
  graph.output('visual', linear(graph, inner, weights.second), ['visual', config.decoder.hiddenSize]);
  return graph.build('projector');
}
