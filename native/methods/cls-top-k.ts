import { keptTokens, positionsParameter, predictAtInput, tokensParameter } from './keep-at-input.ts';
import type { TokenMethod } from './method.ts';
import { meanOverHeads } from './mean-over-heads.ts';
import { rankedIndices } from './top-indices.ts';

/**
 * A control: keeps the patches that CLS attends to most in the last vision layer (mean of heads), as FasterVLM and others
 * do, without regard for the question.
 */
export const clsTopK: TokenMethod = {
  name: 'cls-top-k',
  title: 'CLS top-k',
  summary: 'Keeps the patches that CLS attends to most; does not know the question.',
  source: 'control',
  variants: ['code'],
  parameters: [tokensParameter, positionsParameter],
  budget: 'entering',
  resolveBudget: (budget, { parameters }) => ({ parameters: { ...parameters, tokens: budget } }),
  predict: predictAtInput,
  start: setup => {
    const { layers } = setup.shape.vision;
    let attention: Float32Array = new Float32Array();
    return {
      visionNeeds: Array.from({ length: layers }, (_, layer) =>
        layer === layers - 1 ? { at: 'after', clsAttention: true } : undefined,
      ),
      visionLayer: ({ clsAttention = new Float32Array(), tokens }) => {
        attention = meanOverHeads(clsAttention, tokens.length);
        return undefined;
      },
      beforeDecoder: ({ tokens }) => {
        const ranked = rankedIndices(attention);
        const kept = ranked.slice(0, keptTokens(setup)).sort((a, b) => a - b);
        return {
          id: 'cls-top-k',
          title: 'Top by CLS attention',
          tokens: kept.map(member => ({ members: [member] })),
          positions: setup.parameters['positions'] === 'original' ? 'original' : 'renumbered',
          scores: [
            {
              name: 'clsAttention',
              title: 'attention of CLS, last vision layer, mean of heads',
              unit: 'probability',
              values: attention,
              ...(kept.length < tokens.length && {
                cutoff: {
                  value: attention[ranked[kept.length - 1]!]!,
                  above: 'stays',
                  inclusive: true,
                  rule: 'top-k',
                },
              }),
            },
          ],
        };
      },
    };
  },
};
