import { keptTokens, predictAtInput, tokensParameter } from './keep-at-input.ts';
import type { MethodSetup, TokenGroup, TokenMethod } from './method.ts';

/** A control: the mean of every cell of a coarser grid, after the projector. */
export const gridPooling: TokenMethod = {
  name: 'pooling',
  title: 'Uniform pooling',
  summary: 'Averages the visual tokens of every cell of a coarser grid.',
  source: 'control',
  variants: ['code'],
  parameters: [tokensParameter],
  budget: 'entering',
  resolveBudget: (budget, { parameters }) => ({ parameters: { ...parameters, tokens: budget } }),
  predict: setup => {
    const { rows, columns } = pooledGrid(setup);
    return predictAtInput({ ...setup, parameters: { tokens: rows * columns } });
  },
  start: setup => ({
    beforeDecoder: () => ({ id: 'pooling', title: 'Mean of every cell', tokens: cells(setup) }),
  }),
};

/** The grid with the most cells that the budget allows; of several, the one nearest to the image's own proportions. */
function pooledGrid(setup: MethodSetup): { rows: number; columns: number } {
  const { grid } = setup.shape;
  const budget = keptTokens(setup);
  const skew = (rows: number, columns: number): number =>
    Math.abs(Math.log((rows * grid.columns) / (columns * grid.rows)));
  let best = { rows: 1, columns: 1 };
  for (let rows = 1; rows <= Math.min(grid.rows, budget); rows++) {
    const columns = Math.min(grid.columns, Math.floor(budget / rows));
    const more = rows * columns - best.rows * best.columns;
    if (more > 0 || (more === 0 && skew(rows, columns) < skew(best.rows, best.columns))) best = { rows, columns };
  }
  return best;
}

function cells(setup: MethodSetup): TokenGroup[] {
  const { grid } = setup.shape;
  const pooled = pooledGrid(setup);
  const members = Array.from({ length: pooled.rows * pooled.columns }, (): number[] => []);
  for (let row = 0; row < grid.rows; row++) {
    for (let column = 0; column < grid.columns; column++) {
      const cellRow = Math.floor((row * pooled.rows) / grid.rows);
      const cellColumn = Math.floor((column * pooled.columns) / grid.columns);
      members[cellRow * pooled.columns + cellColumn]!.push(row * grid.columns + column);
    }
  }
  return members.map(patches => ({ members: patches }));
}
