/** The one map that the terminal shows of a run. */
import type { TraceReader } from '../../trace/reader.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { readFloats } from './trace-values.ts';

export interface AttentionSummary {
  /**
   * Decoder layer that singles out parts of the image most: the most attention above an even spread over the patches,
   * in the mean of answer tokens. The layer with the most attention on the image would often be the first one, which
   * spreads it evenly and so shows nothing.
   */
  readonly layer: number;
  /** Share of that layer's attention on the image, 0 to 1. */
  readonly imageShare: number;
  readonly answerTokens: number;
  /** [patches] of that layer, mean over heads and answer tokens, probability */
  readonly map: Float32Array;
  readonly maximum: number;
}

/** Reads the rows of the answer one by one, so that a large trace stays on disk. */
export async function summarizeAttention(trace: TraceReader): Promise<AttentionSummary | undefined> {
  const { metadata } = trace;
  const [firstRow, endRow] = answerRows(metadata);
  const answerTokens = endRow - firstRow;
  if (answerTokens <= 0) return undefined;
  const { layers, heads } = metadata.model.decoder;
  const { leading, count } = metadata.visual;
  const maps = Array.from({ length: layers }, () => new Float32Array(count - leading));
  const singledOut = new Float64Array(layers);
  for (let row = firstRow; row < endRow; row++) {
    const attention = await readFloats(trace, 'decoder.attention_to_image', [[row, row + 1]]);
    maps.forEach((map, layer) => {
      const perHead = attention.subarray(layer * heads * count, (layer + 1) * heads * count);
      const mean = headMean(perHead, heads, count, leading);
      singledOut[layer]! += aboveEvenSpread(mean) / answerTokens;
      for (let patch = 0; patch < map.length; patch++) map[patch]! += mean[patch]! / answerTokens;
    });
  }
  const layer = singledOut.indexOf(Math.max(...singledOut));
  const map = maps[layer]!;
  return {
    layer,
    imageShare: map.reduce((sum, value) => sum + value, 0),
    answerTokens,
    map,
    maximum: map.reduce((largest, value) => Math.max(largest, value), 0),
  };
}

/** From [heads, visual tokens] to [patches]. */
function headMean(perHead: Float32Array, heads: number, count: number, leading: number): Float32Array {
  const mean = new Float32Array(count - leading);
  for (let head = 0; head < heads; head++) {
    for (let patch = 0; patch < mean.length; patch++) mean[patch]! += perHead[head * count + leading + patch]! / heads;
  }
  return mean;
}

function aboveEvenSpread(map: Float32Array): number {
  const even = map.reduce((sum, value) => sum + value, 0) / map.length;
  return map.reduce((sum, value) => sum + Math.max(0, value - even), 0);
}

/** Rows that predict the answer's tokens, without the one that predicts the end. */
function answerRows({ promptTokens, tokens, generation }: RunMetadata): [first: number, end: number] {
  const answered = tokens.length - promptTokens - (generation.stop === 'end-of-sequence' ? 1 : 0);
  return [promptTokens - 1, promptTokens - 1 + answered];
}
