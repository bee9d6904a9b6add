/** Queries of a decoder layer, from the hidden states that enter it: norm, projection and rotation, in plain loops. */
import { open } from 'node:fs/promises';
import { fromHalf } from '../../trace/half.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import type { Weight } from '../checkpoint/weight-index.ts';
import { rotaryTables } from '../engine/rotary-embedding.ts';
import { decodeWire } from './wire.ts';

/** One weight as float32. */
async function readWeight({ file, offset, bytes, dtype }: Weight): Promise<Float32Array> {
  const handle = await open(file);
  try {
    const data = new Uint8Array(bytes);
    await handle.read(data, 0, bytes, offset);
    return dtype === 'F16' ? fromHalf(new Uint16Array(data.buffer)) : decodeWire(data.buffer, dtype);
  } finally {
    await handle.close();
  }
}

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
