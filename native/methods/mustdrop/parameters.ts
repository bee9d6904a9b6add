import { FoveaError } from '../../errors.ts';
import type { MethodSetup, ModelShape, ParameterSpec } from '../method.ts';
import { scaledLayer } from '../scaled-layer.ts';
import type { FilterThresholds } from './dual-attention-filter.ts';

export interface MustDropParameters extends FilterThresholds {
  readonly window: number;
  readonly similarityThreshold: number;
  readonly keyShare: number;
  /** Decoder layers whose output is filtered, ascending. */
  readonly layers: readonly number[];
  readonly decodePositions: 'cache-length' | 'continued';
}

/** Thresholds of the official scripts for 576 visual tokens; TextVQA. They publish none for most other benchmarks. */
const publishedThresholds: readonly (FilterThresholds & { readonly budget: number })[] = [
  { budget: 192, globalThreshold: 0.001, localThreshold: 0.001 },
  { budget: 128, globalThreshold: 0.0012, localThreshold: 0.001 },
  { budget: 64, globalThreshold: 0.011, localThreshold: 0.01 },
];
const publishedTokens = 576;

/** The published pair of the nearest budget; the global one is a share, so that it follows the number of patches. */
export function thresholdsNear(budget: number, { grid }: ModelShape): FilterThresholds {
  const scale = publishedTokens / (grid.rows * grid.columns);
  const distance = (pair: { readonly budget: number }): number => Math.abs(Math.log((budget * scale) / pair.budget));
  const { globalThreshold, localThreshold } = publishedThresholds.reduce((best, pair) =>
    distance(pair) < distance(best) ? pair : best,
  );
  return { globalThreshold: globalThreshold * scale, localThreshold };
}

const pairs = publishedThresholds
  .map(({ budget, globalThreshold, localThreshold }) => `${globalThreshold} and ${localThreshold} for ${budget} tokens`)
  .join(', ');
const published = `official scripts, TextVQA: global and local ${pairs}`;
/** A third of the patches, the largest of the published budgets. */
const usualBudget = ({ grid }: ModelShape): number => (grid.rows * grid.columns) / 3;

export const mustDropParameters: readonly ParameterSpec[] = [
  {
    name: 'globalThreshold',
    title: 'Global threshold',
    kind: 'number',
    least: 0,
    meaning: "A token goes if its share of the text's attention to the image is below this, and the local rule agrees.",
    default: shape => thresholdsNear(usualBudget(shape), shape).globalThreshold,
    source: published,
  },
  {
    name: 'localThreshold',
    title: 'Local threshold',
    kind: 'number',
    least: 0,
    meaning:
      'A token goes if no text token attends to it with this probability, and the global rule agrees. 0 drops none.',
    default: shape => thresholdsNear(usualBudget(shape), shape).localThreshold,
    source: published,
  },
  {
    name: 'similarityThreshold',
    title: 'Window similarity',
    kind: 'number',
    meaning: 'Windows merge whose mean cosine between patches reaches this. Above 1 none does.',
    default: () => 0.8,
    source: 'official code',
  },
  {
    name: 'window',
    title: 'Window',
    kind: 'integer',
    least: 2,
    meaning: "Side of the windows, in patches; must divide the grid's side.",
    default: () => 3,
    source: 'official code',
  },
  {
    name: 'keyShare',
    title: 'Key set',
    kind: 'number',
    least: 0,
    most: 1,
    meaning: 'Share of the merged tokens that CLS attends to most and that no filter drops; rounded up.',
    default: () => 0.08,
    source: 'official code',
  },
  {
    name: 'layers',
    title: 'Filter after layers',
    kind: 'layers',
    least: 0,
    meaning: 'Decoder layers whose output is filtered.',
    default: ({ decoder }) => ascending([2, 6, 10, 14].map(layer => scaledLayer(layer, decoder.layers))),
    source: '2, 6, 10, 14 of 32, scaled by depth',
  },
  {
    name: 'decodePositions',
    title: 'Decode positions',
    kind: 'choice',
    choices: ['cache-length', 'continued'],
    meaning: "Rotary position of new tokens: each layer's own cache length, or on from the prompt's last one.",
    default: () => 'cache-length',
    source: 'official code; the publication does not say',
  },
  {
    name: 'plannedTokens',
    title: 'Planned tokens',
    kind: 'numbers',
    least: 1,
    forPlans: true,
    meaning: 'For plans only, where no image is at hand: tokens after merging, then after each filter.',
    default: () => [],
  },
];

function ascending(layers: readonly number[]): number[] {
  return [...new Set(layers)].sort((a, b) => a - b);
}

/** @throws FoveaError `usage` for layers that the model does not have */
export function readParameters({ parameters, shape }: MethodSetup): MustDropParameters {
  const layers = ascending(parameters['layers'] as readonly number[]);
  const last = shape.decoder.layers - 1;
  const beyond = layers.find(layer => layer > last);
  if (beyond !== undefined) {
    throw new FoveaError(
      'usage',
      `MustDrop cannot filter after decoder layer ${beyond}: the last one is ${last}.`,
      `Set layers to numbers from 0 to ${last}.`,
    );
  }
  return {
    window: Number(parameters['window']),
    similarityThreshold: Number(parameters['similarityThreshold']),
    keyShare: Number(parameters['keyShare']),
    layers,
    globalThreshold: Number(parameters['globalThreshold']),
    localThreshold: Number(parameters['localThreshold']),
    decodePositions: parameters['decodePositions'] === 'continued' ? 'continued' : 'cache-length',
  };
}

/** ceil(share x tokens); 0.07 x 100 is 7.000000000000001 in float64, and yet 7. */
export function keySetSize(tokens: number, share: number): number {
  return Math.min(tokens, Math.ceil(share * tokens - 1e-9));
}
