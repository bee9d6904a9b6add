/** What the answer as a whole looked at, from the attention of its rows: shared by the hover, the terminal and reports. */
import type { RunMetadata } from '../../trace/schema.ts';

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
  /** [layers][patches], the same mean of every decoder layer */
  readonly maps: readonly Float32Array[];
}

type AnsweredRun = Pick<RunMetadata, 'promptTokens' | 'tokens' | 'generation' | 'visual' | 'model'>;

/**
 * @param readRow `decoder.attention_to_image` of one row: [layers, heads, visual tokens]; asked one after the other
 * @returns undefined when there is no answer
 */
export async function summarizeAnswer(
  run: AnsweredRun,
  readRow: (row: number) => Float32Array | Promise<Float32Array>,
): Promise<AttentionSummary | undefined> {
  const [firstRow, endRow] = answerRows(run);
  const answerTokens = endRow - firstRow;
  if (answerTokens <= 0) return undefined;
  const { layers, heads } = run.model.decoder;
  const { leading, count } = run.visual;
  const maps = Array.from({ length: layers }, () => new Float32Array(count - leading));
  const singledOut = new Float64Array(layers);
  for (let row = firstRow; row < endRow; row++) {
    const attention = await readRow(row);
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
    maps,
  };
}

/** From [heads, visual tokens] to [patches]. */
export function headMean(perHead: Float32Array, heads: number, count: number, leading: number): Float32Array {
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
export function answerRows({
  promptTokens,
  tokens,
  generation,
}: Pick<RunMetadata, 'promptTokens' | 'tokens' | 'generation'>): [first: number, end: number] {
  const answered = tokens.length - promptTokens - (generation.stop === 'end-of-sequence' ? 1 : 0);
  return [promptTokens - 1, promptTokens - 1 + answered];
}
