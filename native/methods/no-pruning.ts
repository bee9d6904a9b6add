import type { TokenMethod } from './method.ts';

/** All visual tokens in all layers: what everything else is compared with. */
export const noPruning: TokenMethod = {
  name: 'none',
  title: 'No pruning',
  summary: 'All visual tokens in all layers.',
  source: 'the model as it is',
  variants: ['code'],
  parameters: [],
  start: () => ({}),
  predict: ({ shape }) => {
    const patches = shape.grid.rows * shape.grid.columns;
    const everywhere = Array.from({ length: shape.decoder.layers }, () => patches);
    return {
      visionTokens: Array.from({ length: shape.vision.layers }, () => patches + 1),
      entering: everywhere,
      leaving: everywhere,
      cached: everywhere,
    };
  },
};
