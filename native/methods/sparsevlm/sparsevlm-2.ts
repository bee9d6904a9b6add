import type { DecoderView, MethodHooks, MethodSetup, ParameterSpec, TokenMethod, TokenPlan } from '../method.ts';
import {
  layersParameter,
  noRecycling,
  predictTokens,
  readParameters,
  tokensOfBudget,
  tokensParameter,
} from './parameters.ts';
import { prunePlan } from './prune-stage.ts';
import {
  gravityOf,
  meanOverRaters,
  raterMatrix,
  strongestHeads,
  withoutGravity,
  type RaterBlock,
} from './rater-attention.ts';
import { raterPlan } from './rater-stage.ts';
import { keptOf, tables20 } from './token-tables.ts';

const gravityParameter: ParameterSpec = {
  name: 'gravity',
  title: 'Gravity correction',
  kind: 'flag',
  meaning: 'Divides attention by what rotary embedding alone would give at that distance.',
  default: () => true,
  source: 'official code, version 2.0',
};

const headsParameter: ParameterSpec = {
  name: 'heads',
  title: 'Heads',
  kind: 'integer',
  least: 1,
  meaning: 'Heads whose raters give most to the image; the mean of these decides.',
  default: ({ decoder }) => Math.max(1, Math.round((14 * decoder.heads) / 32)),
  source: '14 of 32, scaled',
};

/** SparseVLM+, version 2.0 of the official code: other scores, nothing recycled, positions kept. */
export const sparseVlm2: TokenMethod = {
  name: 'sparsevlm-2',
  title: 'SparseVLM+ (2.0)',
  summary: 'As SparseVLM, with attention corrected for distance, chosen heads, original positions and no recycling.',
  source: 'official code of arXiv 2410.04417 at 26a5f48, version 2.0',
  variants: ['code'],
  parameters: [layersParameter, tokensParameter(tables20, noRecycling), headsParameter, gravityParameter],
  budget: 'leaving',
  resolveBudget: (budget, setup) => tokensOfBudget(budget, setup, tables20),
  predict: predictTokens,
  start,
};

function start(setup: MethodSetup): MethodHooks {
  const { layers, tokens = [] } = readParameters(setup);
  let raters: readonly number[] = [];
  return {
    beforeDecoder: view => {
      const chosen = raterPlan(view, setup, 'above');
      ({ raters } = chosen);
      return chosen.plan;
    },
    decoderNeeds: Array.from({ length: setup.shape.decoder.layers }, (_, layer) =>
      layers.includes(layer) ? { attention: 'text' } : undefined,
    ),
    decoderLayer: view => prune(view, raters, tokens[layers.indexOf(view.layer)]!, setup),
    decodePositions: 'continued',
  };
}

function prune(
  { attention = new Float32Array(), rows, rowPositions, tokenPositions, tokens, layer }: DecoderView,
  raters: readonly number[],
  asked: number,
  { shape, parameters }: MethodSetup,
): TokenPlan {
  const count = tokens.length;
  const corrected = parameters['gravity'] === true;
  const bias = gravityOf(rowPositions, tokenPositions, shape.decoder);
  const block: RaterBlock = {
    attention: corrected ? withoutGravity(attention, bias) : attention,
    text: rows,
    tokens: count,
    raters,
  };
  const heads = strongestHeads(block, Number(parameters['heads']));
  const score = meanOverRaters(raterMatrix(block, heads), count);
  const response = meanOverRaters(
    Float64Array.from(raters.flatMap(row => [...bias.subarray(row * count, (row + 1) * count)])),
    count,
  );
  const ranking = {
    score,
    scoreTitle: `attention of the raters${corrected ? ' without gravity' : ''}, mean of raters and chosen heads`,
    unit: corrected ? ('number' as const) : ('probability' as const),
    others: [
      {
        name: 'gravity',
        title: 'response of rotary embedding, mean of raters',
        unit: 'number' as const,
        values: response,
      },
    ],
    raters,
    notes: [
      `Heads ${heads.join(', ')} of ${shape.decoder.heads}: their raters give most to the image.`,
      ...(corrected
        ? [
            'The response by distance that attention is divided by can be small or negative, so that scores change their sign; the code does so too.',
          ]
        : []),
      'Positions stay as they were; new tokens go on after the last one.',
    ],
  };
  const plan = prunePlan(layer, keptOf(count, asked), ranking, undefined, {
    recycling: noRecycling,
    assignment: 'euclidean',
    reconstruction: 'mean',
  });
  return { ...plan, positions: 'original' };
}
