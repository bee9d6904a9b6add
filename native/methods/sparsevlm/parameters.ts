import { FoveaError } from '../../errors.ts';
import type { BudgetSolution, MethodSetup, ModelShape, ParameterSpec, PredictedTokens } from '../method.ts';
import { scaledLayer } from '../scaled-layer.ts';
import type { Assignment } from './density-peaks.ts';
import { countTokens, publishedLayers, tokensForBudget, type Counting, type Recycling } from './token-tables.ts';

type Tables = Parameters<typeof tokensForBudget>[1];

/** The budget that the official code has when none is asked for: a third of the patches. */
function usualTokens(tables: Tables, shape: ModelShape, recycling: Recycling): readonly number[] {
  const budget = Math.round((shape.grid.rows * shape.grid.columns) / 3);
  return tokensForBudget(budget, tables, { shape, layers: usualLayers(shape), recycling }).tokens;
}

function usualLayers({ decoder }: ModelShape): readonly number[] {
  return ascending(publishedLayers.map(layer => scaledLayer(layer, decoder.layers)));
}

function ascending(layers: readonly number[]): number[] {
  return [...new Set(layers)].sort((a, b) => a - b);
}

export const publishedRecycling: Recycling = { share: 0.3, clusterSize: 10 };
export const noRecycling: Recycling = { share: 0, clusterSize: 1 };

export const layersParameter: ParameterSpec = {
  name: 'layers',
  title: 'Prune after layers',
  kind: 'layers',
  least: 0,
  meaning: 'Decoder layers whose output is pruned. An empty list prunes nothing.',
  default: usualLayers,
  source: '2, 6, 15 of 32, scaled by depth',
};

export function tokensParameter(tables: Tables, recycling: Recycling): ParameterSpec {
  return {
    name: 'tokens',
    title: 'Tokens kept',
    kind: 'numbers',
    least: 1,
    meaning: 'Top-k after each of the layers; at least one token is always dropped.',
    default: (shape, variant) => (variant === 'code' ? usualTokens(tables, shape, recycling) : []),
    source: `official tables for 576 tokens and 32 layers (${tableText(tables)}), scaled`,
  };
}

function tableText(tables: Tables): string {
  return Object.entries(tables)
    .map(([budget, kept]) => `${budget}: ${kept.join('/')}`)
    .reverse()
    .join(', ');
}

/** Where publication and code of version 1.5 differ, each on its own. */
export const recyclingParameters: readonly ParameterSpec[] = [
  {
    name: 'deletion',
    title: 'How many go',
    kind: 'choice',
    choices: ['table', 'rank'],
    meaning: 'All but a fixed number (tokens), or lambda x (number - rank of the attention of the raters).',
    default: (_, variant) => (variant === 'code' ? 'table' : 'rank'),
  },
  {
    name: 'lambda',
    title: 'Lambda',
    kind: 'number',
    least: 0,
    most: 1,
    meaning: 'For deletion by rank: share of the redundant tokens that goes. A budget sets it for the image.',
    default: () => 1,
    source: 'the publication gives no value',
  },
  {
    name: 'raterRule',
    title: 'Raters',
    kind: 'choice',
    choices: ['above', 'at-least'],
    meaning: 'Text tokens whose relevance is above the mean, or at least the mean.',
    default: (_, variant) => (variant === 'code' ? 'above' : 'at-least'),
  },
  {
    name: 'recycledShare',
    title: 'Recycled share',
    kind: 'number',
    least: 0,
    most: 1,
    meaning: 'Share of the dropped tokens with the highest scores that is merged into clusters; 0 for none.',
    default: () => publishedRecycling.share,
    source: 'official code and publication',
  },
  {
    name: 'clusterSize',
    title: 'Tokens in a cluster',
    kind: 'integer',
    least: 1,
    meaning: 'Recycled tokens for each cluster.',
    default: () => publishedRecycling.clusterSize,
    source: 'official code',
  },
  {
    name: 'assignment',
    title: 'Cluster by',
    kind: 'choice',
    choices: ['euclidean', 'cosine'],
    meaning: 'Which centre a recycled token goes to: the nearest one, or the one with the most similar direction.',
    default: (_, variant) => (variant === 'code' ? 'euclidean' : 'cosine'),
  },
  {
    name: 'reconstruction',
    title: 'Clusters become',
    kind: 'choice',
    choices: ['mean', 'sum'],
    meaning: 'What a cluster is replaced by.',
    default: (_, variant) => (variant === 'code' ? 'mean' : 'sum'),
  },
];

export interface SparseVlmParameters extends Counting {
  /** Top-k after each of the layers; undefined where the rank decides. */
  readonly tokens: readonly number[] | undefined;
  readonly lambda: number;
  readonly raterRule: 'above' | 'at-least';
  readonly assignment: Assignment;
  readonly reconstruction: 'mean' | 'sum';
}

/** @throws FoveaError `usage` for lists that do not fit each other or the model */
export function readParameters({ parameters, shape }: MethodSetup): SparseVlmParameters {
  const asked = parameters['layers'] as readonly number[];
  const layers = readLayers(asked, shape);
  const byRank = parameters['deletion'] === 'rank';
  const tokens = parameters['tokens'] as readonly number[];
  if (!byRank && layers.length > 0 && tokens.length !== layers.length) {
    throw new FoveaError(
      'usage',
      `SparseVLM prunes after ${layers.length} layers, but tokens has ${tokens.length} numbers.`,
      `Give one number for each of the layers ${layers.join(', ')}, or a budget instead.`,
    );
  }
  // In another order it would be open which number is meant for which layer.
  if (!byRank && asked.some((layer, index) => layer !== layers[index])) {
    throw new FoveaError(
      'usage',
      `SparseVLM pairs each layer with a number of tokens, but the layers ${asked.join(', ')} do not ascend.`,
      `Give the layers as ${layers.join(', ')}, and tokens in the same order.`,
    );
  }
  return {
    shape,
    layers,
    tokens: byRank ? undefined : tokens,
    lambda: Number(parameters['lambda'] ?? 1),
    raterRule: parameters['raterRule'] === 'at-least' ? 'at-least' : 'above',
    recycling:
      parameters['recycledShare'] === undefined
        ? noRecycling
        : { share: Number(parameters['recycledShare']), clusterSize: Number(parameters['clusterSize']) },
    assignment: parameters['assignment'] === 'cosine' ? 'cosine' : 'euclidean',
    reconstruction: parameters['reconstruction'] === 'sum' ? 'sum' : 'mean',
  };
}

function readLayers(asked: readonly number[], { decoder }: ModelShape): readonly number[] {
  const layers = ascending(asked);
  const last = decoder.layers - 1;
  const beyond = layers.find(layer => layer > last);
  if (beyond === undefined) return layers;
  throw new FoveaError(
    'usage',
    `SparseVLM cannot prune after decoder layer ${beyond}: the last one is ${last}.`,
    `Set layers to numbers from 0 to ${last}.`,
  );
}

/** Undefined where the rank decides how many go. @throws FoveaError `usage` */
export function predictTokens(setup: MethodSetup): PredictedTokens | undefined {
  const { tokens, ...counting } = readParameters(setup);
  if (!tokens) return undefined;
  const { shape } = setup;
  const counts = countTokens(tokens, counting);
  return {
    ...counts,
    visionTokens: Array.from({ length: shape.vision.layers }, () => shape.grid.rows * shape.grid.columns + 1),
    cached: counts.entering,
  };
}

/** @throws FoveaError `usage` or `budget-impossible` */
export function tokensOfBudget(budget: number, setup: MethodSetup, tables: Tables): BudgetSolution {
  const { given = [], parameters } = setup;
  if (given.includes('tokens')) {
    throw new FoveaError('usage', 'A budget sets tokens, but tokens is given.', 'Leave out one of them.');
  }
  // The length of `tokens` follows from the layers, which may be other ones than usual.
  const { tokens: _, ...counting } = readParameters({ ...setup, parameters: { ...parameters, deletion: 'rank' } });
  if (counting.layers.length === 0) return { parameters, notes: ['No layers to prune after: the budget is not met.'] };
  const { tokens, note } = tokensForBudget(budget, tables, counting);
  return { parameters: { ...parameters, tokens }, notes: [note] };
}
