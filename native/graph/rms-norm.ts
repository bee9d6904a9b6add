import type { Weight } from '../checkpoint/weight-index.ts';
import type { Float, GraphBuilder } from './graph-builder.ts';

/** Root-mean-square norm over the last axis, spelled so that ONNX Runtime fuses it into one operator. */
export function rmsNorm(graph: GraphBuilder, value: Float, scale: Weight, epsilon: number): Float {
  const meanSquare = graph.meanOver(-1, graph.power(value, 2), true);
  const deviation = graph.squareRoot(graph.add(meanSquare, graph.scalar(epsilon)));
  return graph.multiply(graph.divide(value, deviation), graph.weight(scale));
}
