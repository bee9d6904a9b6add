/**
 * FlexAttention (ECCV 2024, arXiv 2407.20228): the low-resolution image stays in the sequence as it is, and layers fetch those
 * high-resolution tokens as additional keys where the layer before them looked.
 */
import { selectionSources, type SelectionRule, type SelectionSource } from '../../../trace/high-resolution.ts';
import { copiedDescription, type HighResolutionDescription } from '../../checkpoint/high-resolution-weights.ts';
import { FoveaError } from '../../errors.ts';
import { seededRandom } from '../../analysis/random.ts';
import type { MethodSetup, ModelShape, ParameterSpec, TokenMethod } from '../method.ts';
import { noPruning } from '../no-pruning.ts';
import type { HighResolutionPlan, SelectionView } from './plan.ts';
import { type Grid, selectCells, type SelectionSteps } from './selection.ts';

function description({ highResolution, decoder }: ModelShape): HighResolutionDescription {
  return highResolution ?? copiedDescription(decoder.layers);
}

const parameters: readonly ParameterSpec[] = [
  {
    name: 'source',
    title: 'Selected by',
    kind: 'choice',
    choices: selectionSources,
    meaning:
      'What chooses the cells: attention; or, to compare, as many at random or in the centre, all, the first step’s, none.',
    default: () => 'attention',
  },
  {
    name: 'rule',
    title: 'Rule',
    kind: 'choice',
    choices: ['threshold', 'count'],
    meaning: 'Patches above a threshold, or a fixed number of them.',
    default: shape => description(shape).rule.kind,
    source: 'the weights',
  },
  {
    name: 'threshold',
    title: 'Threshold',
    kind: 'number',
    least: 0,
    most: 255,
    meaning: 'Of the normalised attention, times 255; strict.',
    default: shape => limitOf(description(shape).rule, 'threshold') ?? 48,
    source: 'the weights; 48 in LLaVA-FlexAttn',
  },
  {
    name: 'count',
    title: 'Patches',
    kind: 'integer',
    least: 1,
    meaning: 'How many patches the rule "count" takes.',
    default: shape => limitOf(description(shape).rule, 'count') ?? Math.round(patchCount(shape) / 10),
    source: 'the weights; the paper speaks of about 10 %',
  },
  {
    name: 'cells',
    title: 'Pooled cells',
    kind: 'integer',
    least: 0,
    meaning: 'Side of the grid that patches are max-pooled to; 0 makes every patch a cell.',
    default: (shape, variant) => (variant === 'paper' ? 0 : (description(shape).pooledCells ?? 0)),
    source: 'the weights; 9 in the official code, the paper does not pool',
  },
  {
    name: 'layers',
    title: 'Attending layers',
    kind: 'layers',
    least: 1,
    meaning: 'Decoder layers that read what the layer before them selected.',
    default: shape => description(shape).attending,
    source: 'the weights; 9 to 31 of 32 in the paper, scaled to the depth',
  },
  {
    name: 'rows',
    title: 'Queries',
    kind: 'choice',
    choices: ['last', 'all'],
    meaning: 'Which queries see the selected tokens in prefill.',
    default: (shape, variant) => (variant === 'paper' ? 'all' : description(shape).rows),
    source: 'the weights; the paper lets all of them',
  },
  {
    name: 'map',
    title: 'Selecting map',
    kind: 'choice',
    choices: ['separate', 'joint'],
    meaning: 'Whether the attention that selects comes from a softmax without or with the high-resolution keys.',
    default: (shape, variant) => (variant === 'paper' ? 'joint' : description(shape).map),
    source: 'the weights; separate in the official code, joint in the paper',
  },
  {
    name: 'rotary',
    title: 'Rotary form',
    kind: 'choice',
    choices: ['fractional', 'interpolated'],
    meaning: 'Positions of high-resolution keys: fractions of a patch, or bicubically interpolated cos and sin.',
    default: shape => description(shape).rotary,
    source: 'the weights; interpolated in the official code',
  },
  {
    name: 'low',
    title: 'Low-resolution image',
    kind: 'choice',
    choices: ['resized', 'scaled'],
    meaning:
      "Resized from the original as the model's processor does, or scaled down from the large image (bilinear, antialiased).",
    default: shape => description(shape).lowResolution,
    source: 'the weights; scaled in the official code',
  },
  {
    name: 'pad',
    title: 'Pad to a square',
    kind: 'flag',
    meaning:
      'Pads images that are not square, and never selects in the padding; otherwise they are cropped as the model crops.',
    default: () => true,
    source: 'official code, image_aspect_ratio "pad"',
  },
  {
    name: 'keep',
    title: 'Keep projections',
    kind: 'flag',
    meaning: 'Projects keys and values once; otherwise at every step, as the official code does.',
    default: () => true,
  },
  {
    name: 'queryPositions',
    title: 'Query positions',
    kind: 'choice',
    choices: ['picture', 'sequence'],
    meaning:
      'Beside a method that drops tokens: queries read high-resolution keys from where they would stand without it.',
    default: () => 'picture',
  },
  { name: 'seed', title: 'Seed', kind: 'integer', least: 0, meaning: 'Of the random selection.', default: () => 0 },
];

export const flexAttention: TokenMethod = {
  name: 'flexattention',
  title: 'FlexAttention',
  summary: 'Fetches high-resolution tokens where the decoder looks, anew in every layer and for every token.',
  source: 'arXiv 2407.20228',
  variants: ['code', 'paper'],
  parameters,
  fetchesHighResolution: true,
  ...(noPruning.predict && { predict: noPruning.predict }),
  start: setup => ({ highResolution: planOf(setup) }),
};

/** @throws FoveaError `usage` for layers without projections and more cells than patches */
function planOf({ shape, variant, parameters: chosen }: MethodSetup): HighResolutionPlan {
  const weights = description(shape);
  const attending = [...new Set(chosen['layers'] as readonly number[])].sort((a, b) => a - b);
  const missing = attending.filter(layer => !weights.layers.includes(layer));
  if (attending.length === 0 || missing.length > 0) {
    throw new FoveaError(
      'usage',
      missing.length > 0
        ? `There are no high-resolution projections for decoder layer ${missing.join(', ')}.`
        : 'No decoder layer is to read high-resolution tokens.',
      `Layers that have them: ${weights.layers.join(', ')}.`,
    );
  }
  const pooledCells = Number(chosen['cells']);
  const side = shape.grid.rows;
  if (pooledCells > side) {
    throw new FoveaError('usage', `${side} patches cannot be pooled to ${pooledCells} cells.`, `From 0 to ${side}.`);
  }
  const source = chosen['source'] as SelectionSource;
  const rule: SelectionRule =
    chosen['rule'] === 'count'
      ? { kind: 'count', count: Number(chosen['count']) }
      : { kind: 'threshold', threshold: Number(chosen['threshold']) };
  const seed = Number(chosen['seed']);
  return {
    variant,
    source,
    rule,
    pooledCells,
    attending,
    rows: chosen['rows'] === 'all' ? 'all' : 'last',
    map: chosen['map'] === 'joint' ? 'joint' : 'separate',
    rotary: chosen['rotary'] === 'fractional' ? 'fractional' : 'interpolated',
    lowResolution: chosen['low'] === 'scaled' ? 'scaled' : 'resized',
    zoom: weights.zoom,
    pad: chosen['pad'] === true,
    keepProjections: chosen['keep'] === true,
    queryPositions: chosen['queryPositions'] === 'sequence' ? 'sequence' : 'picture',
    notes: notesOf(weights, chosen, variant),
    select: view => chooseCells(view, source, rule, seed),
  };
}

function chooseCells(view: SelectionView, source: SelectionSource, rule: SelectionRule, seed: number): SelectionSteps {
  const { attention, patches, cells, margin } = view;
  const steps = selectCells(attention, { grid: patches, cells, margin, rule });
  const count = steps.cells.reduce((sum, value) => sum + value, 0);
  switch (source) {
    case 'attention':
      return steps;
    case 'none':
      return { ...steps, cells: new Uint8Array(steps.cells.length) };
    case 'all':
      return { ...steps, cells: new Uint8Array(steps.cells.length).fill(1) };
    case 'frozen':
      return { ...steps, cells: view.first ?? steps.cells };
    case 'random': {
      const draw = seededRandom(seed * 1_000_003 + view.step * 1009 + view.layer);
      return { ...steps, cells: smallest(Float64Array.from(steps.cells, draw), count) };
    }
    case 'centre':
      return { ...steps, cells: smallest(distances(cells), count) };
  }
}

/** 1 for the `count` smallest values; lower index first where equal. */
function smallest(values: Float64Array, count: number): Uint8Array {
  const order = Array.from(values.keys()).sort((a, b) => values[a]! - values[b]! || a - b);
  const taken = new Uint8Array(values.length);
  for (const index of order.slice(0, count)) taken[index] = 1;
  return taken;
}

/** Of each cell's middle from that of the picture, squared. */
function distances({ rows, columns }: Grid): Float64Array {
  return Float64Array.from({ length: rows * columns }, (_, cell) => {
    const row = (Math.floor(cell / columns) + 0.5) / rows - 0.5;
    const column = ((cell % columns) + 0.5) / columns - 0.5;
    return row ** 2 + column ** 2;
  });
}

function notesOf(
  weights: HighResolutionDescription,
  chosen: MethodSetup['parameters'],
  variant: MethodSetup['variant'],
): string[] {
  const notes: string[] = [];
  if (weights.kind === 'copied') notes.push("Untrained HR projections: copies of the decoder's own W_K and W_V.");
  const { rule, rotary, map, rows, lowResolution, pooledCells = 0 } = weights;
  const trained = { rule: rule.kind, rotary, map, rows, cells: pooledCells, low: lowResolution };
  const other = Object.entries(trained).filter(([name, value]) => chosen[name] !== value);
  if (weights.kind !== 'copied' && other.length > 0) {
    const list = other.map(([name, value]) => `${name} ${String(value)}`).join(', ');
    notes.push(`The weights were trained otherwise: ${list}.`);
  }
  if (weights.kind === 'bundled' && variant === 'code') {
    notes.push('These weights select by their own rule where they differ from the official code.');
  }
  return notes;
}

function limitOf(rule: SelectionRule, kind: 'threshold' | 'count'): number | undefined {
  if (rule.kind === 'threshold') return kind === 'threshold' ? rule.threshold : undefined;
  return kind === 'count' ? rule.count : undefined;
}

function patchCount({ grid }: ModelShape): number {
  return grid.rows * grid.columns;
}
