import { rankedIndices } from '../top-indices.ts';

export interface Matching {
  /** The merged sequence: each entry lists tokens of the old one, the destination first. */
  readonly groups: readonly (readonly number[])[];
  /** [tokens]: the most similar token of the other set, for tokens that may merge; -1 for the others */
  readonly partner: Int32Array;
  /** [tokens]: cosine to that partner; NaN for tokens that cannot merge */
  readonly similarity: Float32Array;
  /** The smallest similarity that was merged. */
  readonly cutoff: number;
  readonly merged: number;
}

/**
 * Bipartite soft matching (ToMe, arXiv 2210.09461, section 3): tokens at even places propose to their most similar token at an
 * odd place, and the `count` best proposals merge. Token 0 is CLS and never merges. Ties go to the lower place.
 * @param metric [tokens, width]
 */
export function matchTokens(metric: Float32Array, tokens: number, count: number): Matching {
  const width = metric.length / tokens;
  const unit = normalised(metric, tokens, width);
  const partner = new Int32Array(tokens).fill(-1);
  const similarity = new Float32Array(tokens).fill(NaN);
  for (let source = 2; source < tokens; source += 2) {
    let best = -Infinity;
    for (let target = 1; target < tokens; target += 2) {
      const cosine = dot(unit, source * width, target * width, width);
      if (cosine > best) [best, partner[source]] = [cosine, target];
    }
    similarity[source] = best;
  }
  const proposals = Array.from({ length: Math.max(0, Math.ceil(tokens / 2) - 1) }, (_, index) => 2 * index + 2);
  const order = rankedIndices(proposals.map(source => similarity[source]!)).map(index => proposals[index]!);
  const merged = order.slice(0, Math.min(count, largestCount(tokens)));
  const joining = new Map<number, number[]>();
  for (const source of merged) {
    const target = partner[source]!;
    joining.set(target, [...(joining.get(target) ?? []), source]);
  }
  const isMerged = new Set(merged);
  const groups: number[][] = [];
  for (let place = 0; place < tokens; place += 2) if (!isMerged.has(place)) groups.push([place]);
  for (let place = 1; place < tokens; place += 2) groups.push([place, ...(joining.get(place) ?? [])]);
  return {
    groups,
    partner: partner.map((target, place) => (isMerged.has(place) ? target : -1)),
    similarity,
    cutoff: merged.length > 0 ? similarity[merged.at(-1)!]! : NaN,
    merged: merged.length,
  };
}

/** At most half of what may merge; CLS is protected. @param tokens CLS included */
export function largestCount(tokens: number): number {
  return Math.floor((tokens - 1) / 2);
}

function normalised(metric: Float32Array, tokens: number, width: number): Float32Array {
  const unit = new Float32Array(metric.length);
  for (let token = 0; token < tokens; token++) {
    const start = token * width;
    // A token without direction is like no other; NaN would leave it without a partner.
    const length = Math.sqrt(dot(metric, start, start, width)) || 1;
    for (let i = 0; i < width; i++) unit[start + i] = metric[start + i]! / length;
  }
  return unit;
}

function dot(values: Float32Array, a: number, b: number, width: number): number {
  let sum = 0;
  for (let i = 0; i < width; i++) sum += values[a + i]! * values[b + i]!;
  return sum;
}
