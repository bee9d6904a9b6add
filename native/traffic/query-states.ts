/** Queries of a decoder layer, from the hidden states that enter it: norm, projection and rotation, in plain loops. */
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { readWeight } from '../checkpoint/read-weight.ts';
import { rotaryTables } from '../engine/rotary-embedding.ts';

/**
 * @param hidden [rows, hidden size], before the layer's attention norm
 * @param positions rotary position of each row
 * @returns [rows, heads x head size], rotated, not scaled
 */
export async function queryStates(
  { config: { decoder }, model }: Checkpoint,
  layer: number,
  hidden: Float32Array,
  positions: Int32Array,
  sequenceLength: number,
): Promise<Float32Array> {
  const { hiddenSize, heads, headSize, normEpsilon, rope } = decoder;
  const { attentionNorm, query } = model.decoderLayers[layer]!;
  const [scale, weight] = [await readWeight(attentionNorm), await readWeight(query.weight)];
  const bias = query.bias && (await readWeight(query.bias));
  const { cos, sin } = rotaryTables(rope, headSize, positions, sequenceLength);
  const [rows, width, half] = [positions.length, heads * headSize, headSize / 2];
  const queries = new Float32Array(rows * width);
  const normed = new Float64Array(hiddenSize);
  for (let row = 0; row < rows; row++) {
    let squares = 0;
    for (let i = 0; i < hiddenSize; i++) squares += hidden[row * hiddenSize + i]! ** 2;
    const deviation = Math.sqrt(squares / hiddenSize + normEpsilon);
    for (let i = 0; i < hiddenSize; i++) normed[i] = (hidden[row * hiddenSize + i]! / deviation) * scale[i]!;
    const projected = new Float64Array(width);
    for (let out = 0; out < width; out++) {
      let sum = bias?.[out] ?? 0;
      for (let i = 0; i < hiddenSize; i++) sum += normed[i]! * weight[out * hiddenSize + i]!;
      projected[out] = sum;
    }
    for (let head = 0; head < heads; head++) {
      const start = head * headSize;
      for (let i = 0; i < half; i++) {
        const [a, b] = [projected[start + i]!, projected[start + half + i]!];
        const [c, s] = [cos[row * half + i]!, sin[row * half + i]!];
        queries[row * width + start + i] = a * c - b * s;
        queries[row * width + start + half + i] = b * c + a * s;
      }
    }
  }
  return queries;
}
