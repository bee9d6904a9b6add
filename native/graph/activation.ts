import type { Activation } from '../checkpoint/model-config.ts';
import type { Float, GraphBuilder } from './graph-builder.ts';

/** The activation functions of Hugging Face's ACT2FN that the supported families use. */
export function activate(graph: GraphBuilder, activation: Activation, value: Float): Float {
  switch (activation) {
    case 'quick_gelu':
      return graph.multiply(value, graph.sigmoid(graph.multiply(value, graph.scalar(1.702))));
    case 'gelu':
      return graph.gelu(value, 'none');
    case 'gelu_tanh':
      return graph.gelu(value, 'tanh');
    case 'silu':
      return graph.multiply(value, graph.sigmoid(value));
    case 'relu':
      return graph.relu(value);
  }
}
