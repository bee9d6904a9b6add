/**
 * MustDrop's dual-attention filter (arXiv 2411.10803, section 3.3): a visual token goes if the text as a whole and every
 * single text token look past it, unless it is in the key set.
 */

export interface TextAttention {
  /** [tokens], sum over text tokens of the mean over heads */
  readonly globalScore: Float64Array;
  /** Sum of all global scores; less than the number of text tokens, as text attends to text too. */
  readonly total: number;
  /** [tokens], most that any one text token gives */
  readonly localMaximum: Float64Array;
  /** [tokens], index of that text token; the first of equals */
  readonly localText: Int32Array;
}

/** @param attention [heads, text, tokens], probability */
export function textAttention(attention: Float32Array, textTokens: number, tokens: number): TextAttention {
  const heads = textTokens === 0 ? 0 : attention.length / (textTokens * tokens);
  const globalScore = new Float64Array(tokens);
  const localMaximum = new Float64Array(tokens);
  const localText = new Int32Array(tokens);
  let total = 0;
  for (let text = 0; text < textTokens; text++) {
    for (let token = 0; token < tokens; token++) {
      let sum = 0;
      for (let head = 0; head < heads; head++) sum += attention[(head * textTokens + text) * tokens + token]!;
      const mean = sum / heads;
      globalScore[token]! += mean;
      total += mean;
      if (mean > localMaximum[token]!) {
        localMaximum[token] = mean;
        localText[token] = text;
      }
    }
  }
  return { globalScore, total, localMaximum, localText };
}

export interface FilterThresholds {
  /** Share of the text's attention to the image, 0 ... 1. */
  readonly globalThreshold: number;
  /** Probability, 0 ... 1. */
  readonly localThreshold: number;
}

/** Why a token stays or goes; indices into `verdictReasons`. */
export const verdicts = { both: 0, global: 1, local: 2, rescued: 3, dropped: 4 } as const;

export const verdictReasons: readonly string[] = [
  'stays: the text as a whole and one text token attend to it',
  'stays: the text as a whole attends to it',
  'stays: one text token attends to it',
  'stays: in the key set only, its attention says drop',
  'goes: below both thresholds',
];

/** [tokens], values of `verdicts`. Both comparisons are strict. */
export function judge(
  { globalScore, total, localMaximum }: TextAttention,
  { globalThreshold, localThreshold }: FilterThresholds,
  isKey: (token: number) => boolean,
): Uint8Array {
  return Uint8Array.from(globalScore, (score, token) => {
    const ignoredByAll = score < globalThreshold * total;
    const ignoredByEach = localMaximum[token]! < localThreshold;
    if (ignoredByAll && ignoredByEach) return isKey(token) ? verdicts.rescued : verdicts.dropped;
    if (ignoredByAll) return verdicts.local;
    return ignoredByEach ? verdicts.global : verdicts.both;
  });
}
