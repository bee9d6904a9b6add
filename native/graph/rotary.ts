import type { Float, GraphBuilder } from './graph-builder.ts';

export interface RotaryInputs {
  /** [tokens, 1, half] */
  readonly cos: Float;
  readonly sin: Float;
  /** Half of the head size. */
  readonly half: number;
}

/** @param prefix of the inputs' names; @param rows name of the first axis */
export function rotaryInputs(graph: GraphBuilder, headSize: number, prefix = '', rows = 'tokens'): RotaryInputs {
  const half = headSize / 2;
  const shape = [rows, 1, half];
  return {
    cos: graph.input(`${prefix}cos`, 'float32', shape),
    sin: graph.input(`${prefix}sin`, 'float32', shape),
    half,
  };
}

/** Rotary position embedding as in Hugging Face checkpoints: element i turns with element i + half. */
export function rotate(graph: GraphBuilder, value: Float, { cos, sin, half }: RotaryInputs): Float {
  const first = graph.slice(value, 2, 0, half);
  const second = graph.slice(value, 2, half, 2 * half);
  return graph.concatenate(2, [
    graph.subtract(graph.multiply(first, cos), graph.multiply(second, sin)),
    graph.add(graph.multiply(second, cos), graph.multiply(first, sin)),
  ]);
}
