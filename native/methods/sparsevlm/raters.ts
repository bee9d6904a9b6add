/** SparseVLM's raters (arXiv 2410.04417, section 3.2): the words of the question that the image has to do with. */

export interface Relevance {
  /** [text], mean over visual tokens of the softmax over text; sums to 1 */
  readonly ofText: Float64Array;
  /** [visual], the text token that each visual token is most like, and its probability */
  readonly nearestText: Int32Array;
  readonly nearestShare: Float32Array;
}

/**
 * Softmax over text of plain inner products of embeddings, neither scaled nor normalised.
 * @param visual [visual, hidden size] @param text [text, hidden size]
 */
export function textRelevance(visual: Float32Array, text: Float32Array, textTokens: number): Relevance {
  const size = text.length / textTokens;
  const visualTokens = visual.length / size;
  const ofText = new Float64Array(textTokens);
  const nearestText = new Int32Array(visualTokens);
  const nearestShare = new Float32Array(visualTokens);
  const products = new Float64Array(textTokens);
  for (let token = 0; token < visualTokens; token++) {
    let nearest = 0;
    for (let word = 0; word < textTokens; word++) {
      let sum = 0;
      for (let i = 0; i < size; i++) sum += visual[token * size + i]! * text[word * size + i]!;
      products[word] = sum;
      if (sum > products[nearest]!) nearest = word;
    }
    const largest = products[nearest]!;
    let total = 0;
    for (let word = 0; word < textTokens; word++) total += products[word] = Math.exp(products[word]! - largest);
    for (let word = 0; word < textTokens; word++) ofText[word]! += products[word]! / total / visualTokens;
    nearestText[token] = nearest;
    nearestShare[token] = 1 / total;
  }
  return { ofText, nearestText, nearestShare };
}

/** Text tokens above the mean; the publication also takes those at the mean. */
export function chooseRaters(ofText: Float64Array, rule: 'above' | 'at-least'): number[] {
  const mean = ofText.reduce((sum, value) => sum + value, 0) / ofText.length;
  return Array.from(ofText.keys()).filter(
    word => ofText[word]! > mean || (rule === 'at-least' && ofText[word] === mean),
  );
}
