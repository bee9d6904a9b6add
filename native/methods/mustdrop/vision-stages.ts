/** MustDrop in the vision tower: the merge of windows after layer 0, the key set by the last layer's CLS. */
import { meanOverHeads } from '../mean-over-heads.ts';
import type { TokenPlan, VisionNeeds, VisionView } from '../method.ts';
import { rankedIndices } from '../top-indices.ts';
import { keySetSize, type MustDropParameters } from './parameters.ts';
import { mergeWindows, windowSimilarity, type WindowGrid } from './window-merge.ts';

export const mergeLayer = 0;

/** The last layer decides; the one before, whose output the projector reads in LLaVA, is looked at to compare. */
export function visionNeeds(layers: number): (VisionNeeds | undefined)[] {
  return Array.from({ length: layers }, (_, layer) => {
    const hidden = layer === mergeLayer;
    const clsAttention = layer >= layers - 2;
    return hidden || clsAttention ? { at: 'after', hidden, clsAttention } : undefined;
  });
}

export function mergePlan(
  { hidden = new Float32Array() }: VisionView,
  grid: WindowGrid,
  { similarityThreshold }: MustDropParameters,
): TokenPlan {
  const { ofWindow, ofPatch } = windowSimilarity(hidden, grid);
  const { windows, merged, groups } = mergeWindows(ofWindow, grid, similarityThreshold);
  const patches = grid.side ** 2;
  const values = new Float32Array(patches);
  const rank = new Float32Array(patches).fill(NaN);
  const reasonOf = new Uint8Array(patches).fill(1);
  const partnerOf = new Int32Array(patches).fill(-1);
  windows.forEach((members, index) => {
    for (const patch of members) values[patch] = ofWindow[index]!;
  });
  merged.forEach((index, place) => {
    const members = windows[index]!;
    const destination = members[members.length - 1]!;
    for (const patch of members) {
      rank[patch] = place + 1;
      reasonOf[patch] = 0;
      if (patch !== destination) partnerOf[patch] = destination;
    }
  });
  return {
    id: 'window-merge',
    title: 'Merge windows that look alike',
    tokens: groups,
    scores: [
      {
        name: 'windowSimilarity',
        title: 'mean cosine between the patches of the window',
        unit: 'cosine',
        values,
        cutoff: { value: similarityThreshold, above: 'merges', inclusive: true, rule: 'threshold' },
      },
      { name: 'patchSimilarity', title: 'mean cosine to the rest of the window', unit: 'cosine', values: ofPatch },
      { name: 'windowRank', title: 'place of the window by similarity', unit: 'count', values: rank },
    ],
    reasons: ['merges: its window reaches the similarity', 'stays: its window is below the similarity'],
    reasonOf,
    partnerOf,
    notes: [
      `${merged.length} of ${windows.length} windows of ${grid.window} x ${grid.window} merged into the mean of their patches; no attention accounts for their size.`,
      'Merged windows move to the front, most alike first; the rest follows in raster order. Equal similarities go by the lower index.',
      'The publication tells of a threshold only; in a batch, the code merges as many windows of each image as the image with the fewest.',
    ],
  };
}

/** @param shadow [tokens], the same of the layer before; undefined where that saw other tokens */
export function keySetPlan(
  attention: Float32Array,
  shadow: Float32Array | undefined,
  layer: number,
  { keyShare }: MustDropParameters,
): { readonly keySet: readonly number[]; readonly plan: TokenPlan } {
  const tokens = attention.length;
  const count = keySetSize(tokens, keyShare);
  const ranked = rankedIndices(attention);
  const keySet = ranked.slice(0, count);
  const chosen = new Set(keySet);
  const title = (of: number): string => `attention of CLS, vision layer ${of}, mean of heads`;
  const others = shadow && new Set(rankedIndices(shadow).slice(0, count));
  const shared = others && keySet.filter(index => others.has(index)).length;
  return {
    keySet,
    plan: {
      id: 'key-set',
      title: 'Key set by CLS attention',
      keySet,
      scores: [
        {
          name: 'clsAttention',
          title: title(layer),
          unit: 'probability',
          values: attention,
          ...(count > 0 &&
            count < tokens && {
              cutoff: { value: attention[ranked[count - 1]!]!, above: 'stays', inclusive: true, rule: 'top-k' },
            }),
        },
        ...(shadow
          ? [
              {
                name: 'clsAttentionBefore',
                title: `${title(layer - 1)} (not used)`,
                unit: 'probability' as const,
                values: shadow,
              },
            ]
          : []),
      ],
      reasons: ['in the key set', 'not in the key set'],
      reasonOf: Uint8Array.from(attention, (_, index) => (chosen.has(index) ? 0 : 1)),
      notes: [
        `The ${count} tokens of ${tokens} that CLS attends to most; no filter drops them.`,
        ...(shared === undefined
          ? []
          : [
              `The code scores by vision layer ${layer}, one deeper than the features of LLaVA; layer ${layer - 1} would choose ${shared} of the same ${count}.`,
            ]),
      ],
    },
  };
}

export function clsMean({ clsAttention = new Float32Array(), tokens }: VisionView): Float32Array {
  return meanOverHeads(clsAttention, tokens.length);
}
