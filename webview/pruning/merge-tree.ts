import type { RunFates } from './run-fates.ts';

/** One token of a tree of merges: a patch, or what two or more became at a stage. */
export interface MergeNode {
  /** Patches that make it up, by their position in the grid. */
  readonly patches: readonly number[];
  /** The stage that made it; -1 for a patch of its own. */
  readonly stage: number;
  readonly parts: readonly MergeNode[];
}

/** How the token of a patch came to be, up to a stage: the latest merge is the root. */
export function mergeTree(fates: RunFates, stage: number, patch: number): MergeNode {
  const members = fates.members(stage, patch);
  if (stage < 0 || members.length <= 1)
    return { patches: members.length > 0 ? members : [patch], stage: -1, parts: [] };
  const { token } = fates.state(stage - 1);
  const first = new Map<number, number>();
  for (const member of members) if (!first.has(token[member]!)) first.set(token[member]!, member);
  const parts = [...first.values()];
  // Nothing was merged here: the token is as old as an earlier stage.
  if (parts.length === 1) return mergeTree(fates, stage - 1, patch);
  return {
    patches: members,
    stage,
    parts: parts.map(member => mergeTree(fates, stage - 1, member)).sort((a, b) => b.patches.length - a.patches.length),
  };
}

/** The tree as lines with their depth; long lists of patches end in how many more there are. */
export function treeLines(
  root: MergeNode,
  describe: (node: MergeNode) => string,
  most: number,
): readonly { readonly depth: number; readonly text: string }[] {
  const lines: { depth: number; text: string }[] = [];
  let left = 0;
  const add = (node: MergeNode, depth: number): void => {
    if (lines.length < most) lines.push({ depth, text: describe(node) });
    else left++;
    // A token of many equal patches is told by one line.
    const plain = node.parts.every(({ parts }) => parts.length === 0);
    if (!(plain && node.parts.length > 2)) for (const part of node.parts) add(part, depth + 1);
  };
  add(root, 0);
  if (left > 0) lines.push({ depth: 0, text: `and ${left} more` });
  return lines;
}
