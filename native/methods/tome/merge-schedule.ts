import { largestCount } from './bipartite-matching.ts';

/**
 * How many tokens each block merges so that `total` are gone at the end: equal steps, larger ones first, or, where a block
 * cannot merge that many any more, steps that fall just enough. Undefined if no schedule reaches it.
 * @param patches without CLS
 */
export function mergeSchedule(patches: number, blocks: number, total: number): number[] | undefined {
  for (let slope = 0; slope <= (2 * total) / Math.max(1, blocks); slope++) {
    const counts = fallingCounts(blocks, total, slope);
    if (counts.every(count => count >= 0) && fits(patches, counts)) return counts;
  }
  const halving = halvingCounts(patches, blocks, total);
  return halving.reduce((sum, count) => sum + count, 0) === total ? halving : undefined;
}

/** Tokens left after merging as much as the blocks can. */
export function fewestTokens(patches: number, blocks: number): number {
  return patches - halvingCounts(patches, blocks, patches).reduce((sum, count) => sum + count, 0);
}

function fallingCounts(blocks: number, total: number, slope: number): number[] {
  const ideal = Array.from({ length: blocks }, (_, block) => total / blocks + slope * ((blocks - 1) / 2 - block));
  const counts = ideal.map(Math.floor);
  const missing = total - counts.reduce((sum, count) => sum + count, 0);
  for (let block = 0; block < missing; block++) counts[block]!++;
  return counts;
}

function fits(patches: number, counts: readonly number[]): boolean {
  let tokens = patches + 1;
  return counts.every(count => {
    const possible = count <= largestCount(tokens);
    tokens -= count;
    return possible;
  });
}

function halvingCounts(patches: number, blocks: number, total: number): number[] {
  let [tokens, left] = [patches + 1, total];
  return Array.from({ length: blocks }, () => {
    const count = Math.min(left, largestCount(tokens));
    tokens -= count;
    left -= count;
    return count;
  });
}
