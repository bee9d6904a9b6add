/** What the controls share: one choice of visual tokens before the first decoder layer, the same number in all layers. */
import type { MethodSetup, ParameterSpec, PredictedTokens } from './method.ts';

export const tokensParameter: ParameterSpec = {
  name: 'tokens',
  title: 'Tokens kept',
  kind: 'integer',
  least: 1,
  meaning: 'Visual tokens that enter the decoder.',
  default: ({ grid }) => Math.max(1, Math.round((grid.rows * grid.columns) / 3)),
  source: "a third, as in the papers' largest budget",
};

export const positionsParameter: ParameterSpec = {
  name: 'positions',
  title: 'Positions',
  kind: 'choice',
  choices: ['renumbered', 'original'],
  meaning: 'Rotary positions of the kept tokens: counted anew without gaps, or those of all patches.',
  default: () => 'renumbered',
};

export function keptTokens({ parameters, shape }: MethodSetup): number {
  return Math.min(Number(parameters['tokens']), shape.grid.rows * shape.grid.columns);
}

export function predictAtInput(setup: MethodSetup): PredictedTokens {
  const { shape } = setup;
  const everywhere = Array.from({ length: shape.decoder.layers }, () => keptTokens(setup));
  return {
    visionTokens: Array.from({ length: shape.vision.layers }, () => shape.grid.rows * shape.grid.columns + 1),
    entering: everywhere,
    leaving: everywhere,
    cached: everywhere,
  };
}
