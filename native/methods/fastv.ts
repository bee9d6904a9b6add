import { seededRandom } from '../analysis/random.ts';
import { FoveaError } from '../errors.ts';
import type { DecoderView, MethodSetup, TokenMethod, TokenPlan } from './method.ts';
import { meanOverHeads } from './mean-over-heads.ts';
import { scaledLayer } from './scaled-layer.ts';
import { rankedIndices } from './top-indices.ts';

/**
 * FastV (arXiv 2403.06764, section 4.1) as its Hugging Face mode does it: once, in prefill, at the output of layer K - 1, without
 * ranking again in decode, positions kept. Code scores by the last row, the paper by the average attention received.
 */
export const fastV: TokenMethod = {
  name: 'fastv',
  title: 'FastV',
  summary: 'Keeps the visual tokens that get the most attention in an early decoder layer.',
  source: 'arXiv 2403.06764; github.com/pkunlp-icler/FastV at d165972, Hugging Face mode',
  variants: ['code', 'paper'],
  parameters: [
    {
      name: 'layer',
      title: 'Layer K',
      kind: 'integer',
      least: 0,
      meaning: 'Layers from this one on see the kept tokens only. 0 draws by lot, as there is no attention yet.',
      default: ({ decoder }) => scaledLayer(2, decoder.layers),
      source: 'K = 2 of 32',
    },
    {
      name: 'ratio',
      title: 'Drop ratio R',
      kind: 'number',
      least: 0,
      most: 1,
      meaning: 'Share of the visual tokens that is dropped.',
      default: () => 0.5,
      source: 'R = 50 %',
    },
    {
      name: 'rows',
      title: 'Rows',
      kind: 'choice',
      choices: ['last', 'all'],
      meaning:
        'Whose attention counts: the last row, or the mean of all rows (rows that cannot see a token count as 0).',
      default: (_, variant) => (variant === 'code' ? 'last' : 'all'),
    },
    { name: 'seed', title: 'Seed', kind: 'integer', least: 0, meaning: 'For layer 0 only.', default: () => 0 },
  ],
  budget: 'entering',
  resolveBudget,
  predict: setup => {
    const { shape, parameters } = setup;
    requireLayer(setup);
    const patches = patchesOf(setup);
    const entering = Array.from({ length: shape.decoder.layers }, (_, layer) =>
      layer < Number(parameters['layer']) ? patches : keptTokens(setup),
    );
    return {
      visionTokens: Array.from({ length: shape.vision.layers }, () => patches + 1),
      entering,
      leaving: [...entering.slice(1), keptTokens(setup)],
      cached: entering,
    };
  },
  readsAllRows: parameters => parameters['rows'] === 'all',
  start: setup => {
    const layer = requireLayer(setup);
    const rows = setup.parameters['rows'] === 'all' ? 'all' : 'last';
    if (layer === 0) return { beforeDecoder: ({ tokens }) => drawn(setup, tokens.length) };
    return {
      decoderNeeds: Array.from({ length: layer }, (_, at) => (at === layer - 1 ? { attention: rows } : undefined)),
      decoderLayer: view => ranked(setup, view, rows),
    };
  },
};

/** @throws FoveaError `usage` for a layer that the model does not have */
function requireLayer({ parameters, shape: { decoder } }: MethodSetup): number {
  const layer = Number(parameters['layer']);
  if (layer < decoder.layers) return layer;
  const hint = `The model has ${decoder.layers} layers: choose a smaller one.`;
  throw new FoveaError('usage', `FastV cannot prune before layer ${layer}.`, hint);
}

function patchesOf({ shape }: MethodSetup): number {
  return shape.grid.rows * shape.grid.columns;
}

function keptTokens(setup: MethodSetup): number {
  return Math.max(1, Math.round(patchesOf(setup) * (1 - Number(setup.parameters['ratio']))));
}

/** E_in = (K x patches + (L - K) x kept) / L, solved for what is kept. */
function resolveBudget(budget: number, setup: MethodSetup): { parameters: MethodSetup['parameters'] } {
  const { layers } = setup.shape.decoder;
  const layer = requireLayer(setup);
  const patches = patchesOf(setup);
  const kept = Math.round((budget * layers - layer * patches) / (layers - layer));
  if (kept < 1) {
    const least = Math.ceil((layer * patches + layers - layer) / layers);
    throw new FoveaError(
      'budget-impossible',
      `FastV before layer ${layer} of ${layers} cannot go down to ${budget} visual tokens on average.`,
      `The least is ${least}: all ${patches} enter the layers before. Ask for more, or set a smaller layer.`,
    );
  }
  return { parameters: { ...setup.parameters, ratio: 1 - Math.min(kept, patches) / patches } };
}

function ranked(setup: MethodSetup, { attention, tokens, rows }: DecoderView, kind: 'last' | 'all'): TokenPlan {
  const score = meanOverHeads(meanOverRows(attention ?? new Float32Array(), rows, tokens.length), tokens.length);
  const order = rankedIndices(score);
  const count = Math.min(keptTokens(setup), tokens.length);
  const kept = order.slice(0, count).sort((a, b) => a - b);
  return {
    ...keepOnly(kept),
    scores: [
      {
        name: 'receivedAttention',
        title:
          kind === 'last'
            ? 'attention of the last row, mean of heads'
            : 'attention received, mean of all rows and heads',
        unit: 'probability',
        values: score,
        ...(count < tokens.length && {
          cutoff: { value: score[order[count - 1]!]!, above: 'stays', inclusive: true, rule: 'top-k' },
        }),
      },
    ],
  };
}

function drawn(setup: MethodSetup, tokens: number): TokenPlan {
  const draw = seededRandom(Number(setup.parameters['seed']));
  const lots = Array.from({ length: tokens }, () => draw());
  const kept = rankedIndices(lots).slice(0, keptTokens(setup));
  return {
    ...keepOnly(kept.sort((a, b) => a - b)),
    scores: [{ name: 'lot', title: 'lot', unit: 'number', values: lots }],
  };
}

function keepOnly(kept: readonly number[]): TokenPlan {
  return {
    id: 'fastv',
    title: 'Rank by attention, drop the rest',
    tokens: kept.map(member => ({ members: [member] })),
    positions: 'original',
  };
}

/** [heads, rows, columns] to [heads, columns] */
function meanOverRows(values: Float32Array, rows: number, columns: number): Float32Array {
  if (rows === 1) return values;
  const heads = values.length / (rows * columns);
  const mean = new Float32Array(heads * columns);
  for (let head = 0; head < heads; head++) {
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let row = 0; row < rows; row++) sum += values[(head * rows + row) * columns + column]!;
      mean[head * columns + column] = sum / rows;
    }
  }
  return mean;
}
