import { FoveaError } from '../../errors.ts';
import type { MethodSetup, SequenceView, TokenPlan } from '../method.ts';
import { chooseRaters, textRelevance } from './raters.ts';

/** @throws FoveaError `method-failed` if no text token is above the mean */
export function raterPlan(
  { visual, text, tokens }: SequenceView,
  { text: { before, after } }: MethodSetup,
  rule: 'above' | 'at-least',
): { readonly raters: readonly number[]; readonly plan: TokenPlan } {
  const size = text.length / after.length;
  // A model that hands CLS to the decoder has one row more than tokens.
  const patches = visual.subarray(visual.length - tokens.length * size);
  const { ofText, nearestText, nearestShare } = textRelevance(patches, text, after.length);
  const raters = chooseRaters(ofText, rule);
  if (raters.length === 0) {
    throw new FoveaError(
      'method-failed',
      'SparseVLM found no rater: no text token is more relevant to the image than the others.',
      'Ask a longer question, or set raterRule to at-least.',
    );
  }
  return {
    raters,
    plan: {
      id: 'raters',
      title: 'Raters: words that the image has to do with',
      raters,
      textScores: [
        {
          name: 'relevance',
          title: 'relevance to the image: softmax over text of embedding products, mean of visual tokens',
          unit: 'share',
          values: ofText,
          cutoff: { value: 1 / after.length, above: 'stays', inclusive: rule === 'at-least', rule: 'threshold' },
        },
      ],
      scores: [
        {
          name: 'nearestText',
          title: 'the text token that it is most like',
          unit: 'textToken',
          values: nearestText.map(index => before + index),
        },
        { name: 'nearestShare', title: 'softmax over text of that token', unit: 'probability', values: nearestShare },
      ],
      notes: [
        `${raters.length} of ${after.length} text tokens rate, chosen once before the first layer; everything after the image counts as text, also what the prompt's template adds.`,
        rule === 'above'
          ? 'The code takes tokens above the mean; the publication also takes those at the mean.'
          : 'The publication takes tokens at the mean too; the code only those above it.',
      ],
    },
  };
}
