import { keptTokens, positionsParameter, predictAtInput, tokensParameter } from './keep-at-input.ts';
import type { TokenMethod } from './method.ts';
import { topIndices } from './top-indices.ts';

/** A control: the patches nearest to the middle of the image. */
export const centerCrop: TokenMethod = {
  name: 'center-crop',
  title: 'Centre crop',
  summary: 'Keeps the patches nearest to the middle of the image.',
  source: 'control',
  variants: ['code'],
  parameters: [tokensParameter, positionsParameter],
  budget: 'entering',
  resolveBudget: (budget, { parameters }) => ({ parameters: { ...parameters, tokens: budget } }),
  predict: predictAtInput,
  start: setup => ({
    beforeDecoder: ({ tokens }) => {
      const { rows, columns } = setup.shape.grid;
      const nearness = tokens.map(({ patches }) => {
        const [row, column] = [Math.floor(patches[0]! / columns), patches[0]! % columns];
        return -Math.max(Math.abs(2 * row + 1 - rows) / rows, Math.abs(2 * column + 1 - columns) / columns);
      });
      return {
        id: 'center-crop',
        title: 'The middle of the image',
        tokens: topIndices(nearness, keptTokens(setup)).map(member => ({ members: [member] })),
        positions: setup.parameters['positions'] === 'original' ? 'original' : 'renumbered',
      };
    },
  }),
};
