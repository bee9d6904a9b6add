import type { DecoderView, MethodHooks, MethodSetup, TokenMethod, TokenPlan } from '../method.ts';
import { matrixRank } from './matrix-rank.ts';
import {
  layersParameter,
  predictTokens,
  publishedRecycling,
  readParameters,
  recyclingParameters,
  tokensOfBudget,
  tokensParameter,
  type SparseVlmParameters,
} from './parameters.ts';
import { prunePlan } from './prune-stage.ts';
import { solveLambda } from './rank-budget.ts';
import { meanOverRaters, raterMatrix } from './rater-attention.ts';
import { raterPlan } from './rater-stage.ts';
import { keptOf, tables15 } from './token-tables.ts';

/**
 * SparseVLM (arXiv 2410.04417), version 1.5 of the official code: text tokens that the image has to do with rate the visual
 * ones, which are dropped at three layers and recycled in part. The publication sets the numbers by rank, not by table.
 */
export const sparseVlm: TokenMethod = {
  name: 'sparsevlm',
  title: 'SparseVLM',
  summary: 'Words of the question rate the visual tokens; some of those that are dropped live on in clusters.',
  source: 'arXiv 2410.04417; official code at 26a5f48, version 1.5',
  variants: ['code', 'paper'],
  parameters: [layersParameter, tokensParameter(tables15, publishedRecycling), ...recyclingParameters],
  budget: 'leaving',
  resolveBudget: (budget, setup) =>
    byRank(setup) ? { parameters: setup.parameters } : tokensOfBudget(budget, setup, tables15),
  solveBudget: (budget, setup, measure) =>
    byRank(setup) ? solveLambda(budget, setup, measure) : Promise.resolve(undefined),
  predict: predictTokens,
  start,
};

function byRank({ parameters }: MethodSetup): boolean {
  return parameters['deletion'] === 'rank';
}

function start(setup: MethodSetup): MethodHooks {
  const parameters = readParameters(setup);
  const { layers } = parameters;
  let raters: readonly number[] = [];
  return {
    beforeDecoder: view => {
      const chosen = raterPlan(view, setup, parameters.raterRule);
      ({ raters } = chosen);
      return chosen.plan;
    },
    decoderNeeds: Array.from({ length: setup.shape.decoder.layers }, (_, layer) =>
      layers.includes(layer) ? { attention: 'text', hidden: true } : undefined,
    ),
    decoderLayer: view => prune(view, raters, parameters),
    decodePositions: 'cache-length',
  };
}

function prune(view: DecoderView, raters: readonly number[], parameters: SparseVlmParameters): TokenPlan {
  const { attention = new Float32Array(), rows, tokens, layer } = view;
  const matrix = raterMatrix({ attention, text: rows, tokens: tokens.length, raters });
  const { keep, note } = keptTokens(matrix, raters.length, view, parameters);
  const ranking = {
    score: meanOverRaters(matrix, tokens.length),
    scoreTitle: 'attention of the raters, mean of raters and heads',
    unit: 'probability' as const,
    raters,
    notes: [
      note,
      parameters.assignment === 'euclidean' && parameters.reconstruction === 'mean'
        ? 'The code clusters by distance and takes the mean; the publication clusters by cosine and takes the sum.'
        : `Clusters by ${parameters.assignment}, each the ${parameters.reconstruction} of its tokens.`,
    ],
  };
  return prunePlan(layer, keep, ranking, view.hidden, parameters);
}

/** How many stay after this layer. */
function keptTokens(
  matrix: Float64Array,
  raters: number,
  { tokens: { length: count }, layer }: DecoderView,
  { layers, tokens, lambda }: SparseVlmParameters,
): { readonly keep: number; readonly note: string } {
  if (tokens) {
    const keep = keptOf(count, tokens[layers.indexOf(layer)]!);
    return {
      keep,
      note: `Top ${keep} by table. The publication drops lambda x (tokens - rank of the attention of the raters) instead.`,
    };
  }
  const rank = matrixRank(matrix, raters, count);
  const dropped = Math.floor(lambda * (count - rank));
  return {
    keep: Math.max(1, count - dropped),
    note: `Rank ${rank} of the attention of the raters (${raters}) to ${count} tokens: ${lambda} x (${count} - ${rank}) = ${dropped} go. The code has a table instead.`,
  };
}
