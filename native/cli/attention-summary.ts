/** The one map that the terminal shows of a run. */
import type { TraceReader } from '../../trace/reader.ts';
import { massGroups, type RunMetadata } from '../../trace/schema.ts';
import { readFloats } from './trace-values.ts';

export interface AttentionSummary {
  /** Decoder layer with the largest share of attention on the image, mean over heads and answer tokens. */
  readonly layer: number;
  /** That share, 0 to 1. */
  readonly imageShare: number;
  readonly answerTokens: number;
  /** [patches] of that layer, mean over heads and answer tokens, probability */
  readonly map: Float32Array;
  readonly maximum: number;
}

/** Reads only the rows of the answer, and of these only one layer. */
export async function summarizeAttention(trace: TraceReader): Promise<AttentionSummary | undefined> {
  const { metadata } = trace;
  const rows = answerRows(metadata);
  const { layers, heads } = metadata.model.decoder;
  const { leading, count } = metadata.visual;
  if (rows[0] >= rows[1]) return undefined;

  const mass = await readFloats(trace, 'decoder.attention_mass', [rows]);
  const shares = new Float64Array(layers);
  const image = massGroups.indexOf('image');
  const perLayer = (rows[1] - rows[0]) * heads;
  for (let index = 0; index * massGroups.length < mass.length; index++) {
    const layer = Math.floor(index / heads) % layers;
    shares[layer]! += mass[index * massGroups.length + image]! / perLayer;
  }
  const layer = shares.indexOf(Math.max(...shares));

  const attention = await readFloats(trace, 'decoder.attention_to_image', [rows, [layer, layer + 1]]);
  const map = new Float32Array(count - leading);
  for (let start = 0; start < attention.length; start += count) {
    for (let patch = 0; patch < map.length; patch++) map[patch]! += attention[start + leading + patch]! / perLayer;
  }
  return {
    layer,
    imageShare: shares[layer]!,
    answerTokens: rows[1] - rows[0],
    map,
    maximum: map.reduce((largest, value) => Math.max(largest, value), 0),
  };
}

/** Rows that predict the answer's tokens, without the one that predicts the end. */
function answerRows({ promptTokens, tokens, generation }: RunMetadata): [first: number, end: number] {
  const answered = tokens.length - promptTokens - (generation.stop === 'end-of-sequence' ? 1 : 0);
  return [promptTokens - 1, promptTokens - 1 + answered];
}
