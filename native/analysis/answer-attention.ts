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

/** Adds up where the rows of an answer looked, one row after the other. */
export class AnswerSum {
  private readonly maps: readonly Float32Array[];
  /** Per layer, attention above an even spread. */
  private readonly singledOut: Float64Array;
  private rows = 0;

  constructor(layers: number, patches: number) {
    this.maps = Array.from({ length: layers }, () => new Float32Array(patches));
    this.singledOut = new Float64Array(layers);
  }

  /** @param means [layers, patches] of one row, mean over heads, probability */
  add(means: Float32Array): void {
    this.rows++;
    this.maps.forEach((map, layer) => {
      const mean = means.subarray(layer * map.length, (layer + 1) * map.length);
      this.singledOut[layer]! += aboveEvenSpread(mean);
      for (let patch = 0; patch < map.length; patch++) map[patch] = map[patch]! + mean[patch]!;
    });
  }

  /** @returns undefined when there is no row */
  summary(): AttentionSummary | undefined {
    const { rows, singledOut } = this;
    if (rows === 0) return undefined;
    const maps = this.maps.map(map => map.map(sum => sum / rows));
    const layer = singledOut.indexOf(Math.max(...singledOut));
    const map = maps[layer]!;
    return {
      layer,
      imageShare: map.reduce((sum, value) => sum + value, 0),
      answerTokens: rows,
      map,
      maximum: map.reduce((largest, value) => Math.max(largest, value), 0),
      maps,
    };
  }
}

/**
 * The same of a trace.
 * @param readRow `decoder.attention_to_image` of one row: [layers, heads, visual tokens]; asked one after the other
 * @returns undefined when there is no answer
 */
export async function summarizeAnswer(
  run: AnsweredRun,
  readRow: (row: number) => Float32Array | Promise<Float32Array>,
): Promise<AttentionSummary | undefined> {
  const { layers, heads } = run.model.decoder;
  const { leading, count } = run.visual;
  const patches = count - leading;
  const answer = new AnswerSum(layers, patches);
  const means = new Float32Array(layers * patches);
  const [firstRow, endRow] = answerRows(run);
  for (let row = firstRow; row < endRow; row++) {
    const attention = await readRow(row);
    means.fill(0);
    for (let layer = 0; layer < layers; layer++) {
      const perHead = attention.subarray(layer * heads * count, (layer + 1) * heads * count);
      headMean(perHead, heads, count, leading, means.subarray(layer * patches, (layer + 1) * patches));
    }
    answer.add(means);
  }
  return answer.summary();
}

/** From [heads, visual tokens] to [patches]. @param mean zeros, to be added to */
export function headMean(
  perHead: Float32Array,
  heads: number,
  count: number,
  leading: number,
  mean = new Float32Array(count - leading),
): Float32Array {
  const patches = mean.length;
  for (let head = 0; head < heads; head++) {
    const start = head * count + leading;
    for (let patch = 0; patch < patches; patch++) mean[patch] = mean[patch]! + perHead[start + patch]!;
  }
  const share = 1 / heads;
  for (let patch = 0; patch < patches; patch++) mean[patch] = mean[patch]! * share;
  return mean;
}

/** Plain loops: the user waits while this runs over every layer of every answer token. */
function aboveEvenSpread(map: Float32Array): number {
  let sum = 0;
  for (let patch = 0; patch < map.length; patch++) sum += map[patch]!;
  const even = sum / map.length;
  let above = 0;
  for (let patch = 0; patch < map.length; patch++) if (map[patch]! > even) above += map[patch]! - even;
  return above;
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
