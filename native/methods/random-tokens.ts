import { seededRandom } from '../analysis/random.ts';
import { keptTokens, positionsParameter, predictAtInput, tokensParameter } from './keep-at-input.ts';
import type { TokenMethod } from './method.ts';
import { topIndices } from './top-indices.ts';

/** A control: keeps visual tokens by lot. */
export const randomTokens: TokenMethod = {
  name: 'random',
  title: 'Random',
  summary: 'Keeps visual tokens by lot; a method that is no better has learnt nothing.',
  source: 'control',
  variants: ['code'],
  parameters: [
    tokensParameter,
    positionsParameter,
    {
      name: 'seed',
      title: 'Seed',
      kind: 'integer',
      least: 0,
      meaning: 'The same seed draws the same tokens.',
      default: () => 0,
    },
  ],
  budget: 'entering',
  resolveBudget: (budget, { parameters }) => ({ parameters: { ...parameters, tokens: budget } }),
  predict: predictAtInput,
  start: setup => ({
    beforeDecoder: ({ tokens }) => {
      const draw = seededRandom(Number(setup.parameters['seed']));
      const lots = tokens.map(() => draw());
      return {
        id: 'random',
        title: 'Drawn by lot',
        tokens: topIndices(lots, keptTokens(setup)).map(member => ({ members: [member] })),
        positions: setup.parameters['positions'] === 'original' ? 'original' : 'renumbered',
        scores: [{ name: 'lot', title: 'lot', unit: 'number', values: lots }],
      };
    },
  }),
};
