import { FoveaError } from '../../errors.ts';
import type {
  MethodSetup,
  ModelShape,
  PredictedTokens,
  TokenGroup,
  TokenMethod,
  TokenPlan,
  VisionView,
} from '../method.ts';
import { largestCount, matchTokens } from './bipartite-matching.ts';
import { fewestTokens, mergeSchedule } from './merge-schedule.ts';

/**
 * ToMe (arXiv 2210.09461, section 3) in CLIP's blocks up to the one whose output the projector reads. There is no official
 * version for LLaVA: where it merges and by which schedule is ours.
 */
export const tome: TokenMethod = {
  name: 'tome',
  title: 'ToMe (our CLIP adaptation)',
  refusesHighResolution:
    'ToMe merges patches from all over the image into one token, so its attention does not say which of them to fetch.',
  summary: 'Merges the most similar tokens in every block of the vision tower.',
  source: 'arXiv 2210.09461; github.com/facebookresearch/ToMe at af95e4b; for CLIP adapted here',
  variants: ['code'],
  parameters: [
    {
      name: 'counts',
      title: 'Merges per block',
      kind: 'layers',
      least: 0,
      meaning: 'Tokens merged in each vision block, from the first one on.',
      default: shape => requireSchedule(shape, Math.round(patchesOf(shape) / 3)),
    },
    {
      name: 'proportional',
      title: 'Proportional attention',
      kind: 'flag',
      meaning: 'Adds the log of a token’s number of patches to its attention logits (section 3, equation 1).',
      default: () => true,
    },
    {
      name: 'sorted',
      title: 'Sort at the end',
      kind: 'flag',
      meaning:
        'Puts the tokens into the order of their first patches before the decoder, whose positions follow the order.',
      default: () => false,
    },
  ],
  budget: 'entering',
  resolveBudget: (budget, { parameters, shape }) => ({
    parameters: { ...parameters, counts: requireSchedule(shape, budget) },
  }),
  predict,
  start: setup => {
    const { parameters, shape } = setup;
    const counts = countsOf(setup);
    return {
      visionNeeds: Array.from({ length: shape.vision.layers }, (_, layer) =>
        (counts[layer] ?? 0) > 0 ? { at: 'inside', keys: true } : undefined,
      ),
      proportionalAttention: parameters['proportional'] === true,
      visionLayer: view => mergePlan(view, counts[view.layer] ?? 0),
      ...(parameters['sorted'] === true && { beforeDecoder: ({ tokens }) => sortPlan(tokens) }),
    };
  },
};

function patchesOf({ grid }: ModelShape): number {
  return grid.rows * grid.columns;
}

/** Blocks whose merging reaches the projector. */
function blocksOf({ vision }: ModelShape): number {
  return Math.max(...vision.featureLayers) + 1;
}

function countsOf({ parameters, shape }: MethodSetup): readonly number[] {
  const counts = parameters['counts'] as readonly number[];
  const blocks = blocksOf(shape);
  if (counts.length > blocks) {
    throw new FoveaError(
      'usage',
      `ToMe has ${counts.length} merge counts for ${blocks} blocks before the projector.`,
      `Give at most ${blocks}.`,
    );
  }
  return counts;
}

/** @throws FoveaError `budget-impossible` */
function requireSchedule(shape: ModelShape, budget: number): number[] {
  const patches = patchesOf(shape);
  const blocks = blocksOf(shape);
  const schedule = mergeSchedule(patches, blocks, patches - budget);
  if (schedule) return schedule;
  throw new FoveaError(
    'budget-impossible',
    `ToMe cannot merge ${patches} tokens into ${budget} in ${blocks} blocks: a block merges at most half.`,
    `The least is ${fewestTokens(patches, blocks)}.`,
  );
}

function mergePlan({ layer, keys, tokens }: VisionView, count: number): TokenPlan {
  const matching = matchTokens(keys ?? new Float32Array(), tokens.length + 1, count);
  const sizes = tokens.map(({ patches }) => patches.length);
  const groups: TokenGroup[] = matching.groups.slice(1).map(places => {
    const members = places.map(place => place - 1);
    const total = members.reduce((sum, member) => sum + sizes[member]!, 0);
    return { members, weights: members.map(member => sizes[member]! / total) };
  });
  return {
    id: `merge-${layer}`,
    title: 'Bipartite soft matching',
    tokens: groups,
    partnerOf: Array.from(matching.partner.subarray(1), target => (target < 0 ? -1 : target - 1)),
    scores: [
      {
        name: 'similarity',
        title: 'cosine of keys to the most similar token of the other set',
        unit: 'cosine',
        values: matching.similarity.subarray(1),
        ...(matching.merged > 0 && {
          cutoff: { value: matching.cutoff, above: 'merges', inclusive: true, rule: 'top-k' },
        }),
      },
    ],
  };
}

function sortPlan(tokens: VisionView['tokens']): TokenPlan {
  const order = tokens.map((_, index) => index).sort((a, b) => tokens[a]!.patches[0]! - tokens[b]!.patches[0]!);
  return { id: 'sort', title: 'Order by first patch', tokens: order.map(member => ({ members: [member] })) };
}

function predict(setup: MethodSetup): PredictedTokens {
  const { shape } = setup;
  const counts = countsOf(setup);
  let tokens = patchesOf(shape) + 1;
  const visionTokens = Array.from({ length: shape.vision.layers }, (_, layer) => {
    const entering = tokens;
    tokens -= Math.min(counts[layer] ?? 0, largestCount(tokens));
    return entering;
  });
  const everywhere = Array.from({ length: shape.decoder.layers }, () => tokens - 1);
  return { visionTokens, entering: everywhere, leaving: everywhere, cached: everywhere };
}
