/** One pruning of SparseVLM at the output of a decoder layer: rank, keep, and recycle some of what is dropped. */
import type { PlanScore, TokenGroup, TokenPlan } from '../method.ts';
import { rankedIndices } from '../top-indices.ts';
import { densityPeaks, type Clusters } from './density-peaks.ts';
import type { SparseVlmParameters } from './parameters.ts';
import { recycled } from './token-tables.ts';

export interface Ranking {
  /** [tokens] */
  readonly score: Float64Array;
  readonly scoreTitle: string;
  readonly unit: PlanScore['unit'];
  /** Scores that inform only. */
  readonly others?: readonly PlanScore[];
  readonly raters: readonly number[];
  readonly notes: readonly string[];
}

const verdicts = { kept: 0, centre: 1, recycled: 2, dropped: 3 } as const;
const reasons = [
  'stays: among the top',
  'recycled: the centre of a cluster',
  'recycled: joins a cluster',
  'goes: its score is too low to be recycled',
];

/** @param hidden [tokens, hidden size], needed where tokens are recycled */
export function prunePlan(
  layer: number,
  keep: number,
  { score, scoreTitle, unit, others = [], raters, notes }: Ranking,
  hidden: Float32Array | undefined,
  parameters: Pick<SparseVlmParameters, 'recycling' | 'assignment' | 'reconstruction'>,
): TokenPlan {
  const count = score.length;
  const ranked = rankedIndices(score);
  const kept = ranked.slice(0, keep).sort((a, b) => a - b);
  const { tokens, clusters } = recycled(count - keep, parameters.recycling);
  const again = ranked.slice(keep, keep + tokens).sort((a, b) => a - b);
  const reasonOf = new Uint8Array(count).fill(verdicts.dropped);
  for (const token of kept) reasonOf[token] = verdicts.kept;
  const merging = hidden && again.length > 0 ? cluster(again, hidden, count, clusters, parameters) : undefined;
  for (const token of again) reasonOf[token] = verdicts.recycled;
  for (const token of merging?.centres ?? []) reasonOf[token] = verdicts.centre;
  return {
    id: `prune-${layer}`,
    title: again.length > 0 ? 'Keep the top, recycle the next' : 'Keep the top',
    tokens: [...kept.map(member => ({ members: [member] })), ...(merging?.groups ?? [])],
    scores: [
      {
        name: 'raterAttention',
        title: scoreTitle,
        unit,
        values: score,
        ...(keep < count && {
          cutoff: { value: score[ranked[keep - 1]!]!, above: 'stays', inclusive: true, rule: 'top-k' },
        }),
      },
      ...others,
      ...(merging?.scores ?? []),
    ],
    reasons,
    reasonOf,
    ...(merging && { partnerOf: merging.partnerOf }),
    raters,
    notes: [
      ...notes,
      ...(merging
        ? [
            `${again.length} of ${count - keep} dropped tokens, down to a score of ${score[ranked[keep + again.length - 1]!]!.toPrecision(3)}, became ${clusters === 1 ? 'one cluster' : `${clusters} clusters`} at the end of the visual tokens. Ties go to the lower index, where the code adds noise.`,
          ]
        : []),
    ],
  };
}

interface Merging {
  readonly groups: readonly TokenGroup[];
  readonly centres: readonly number[];
  readonly partnerOf: Int32Array;
  readonly scores: readonly PlanScore[];
}

function cluster(
  again: readonly number[],
  hidden: Float32Array,
  count: number,
  clusters: number,
  { assignment, reconstruction }: Pick<SparseVlmParameters, 'assignment' | 'reconstruction'>,
): Merging {
  const size = hidden.length / count;
  const points = new Float32Array(again.length * size);
  again.forEach((token, place) => {
    points.set(hidden.subarray(token * size, (token + 1) * size), place * size);
  });
  const peaks = densityPeaks(points, again.length, clusters, assignment);
  const partnerOf = new Int32Array(count).fill(-1);
  const groups = peaks.centres.map((centre, index) => {
    const members = again.filter((_, place) => peaks.clusterOf[place] === index);
    for (const member of members) if (member !== again[centre]) partnerOf[member] = again[centre]!;
    return { members, ...(reconstruction === 'sum' && { scale: members.length }) };
  });
  return {
    groups,
    centres: peaks.centres.map(centre => again[centre]!),
    partnerOf,
    scores: peakScores(peaks, again, count),
  };
}

/** Of recycled tokens; NaN for the others. */
function peakScores({ density, delta }: Clusters, again: readonly number[], count: number): PlanScore[] {
  const spread = (value: (place: number) => number): Float64Array => {
    const values = new Float64Array(count).fill(NaN);
    again.forEach((token, place) => {
      values[token] = value(place);
    });
    return values;
  };
  return [
    { name: 'density', title: 'density among recycled tokens', unit: 'density', values: spread(at => density[at]!) },
    { name: 'delta', title: 'distance to a denser token', unit: 'distance', values: spread(at => delta[at]!) },
    {
      name: 'centrality',
      title: 'density x distance: the highest are centres',
      unit: 'number',
      values: spread(at => density[at]! * delta[at]!),
    },
  ];
}
