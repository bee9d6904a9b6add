/** Which patches a visual token is made of, through merges, drops and permutations. */

export interface VisualToken {
  /** Stays the same for as long as the token does; merging makes new ones. */
  readonly id: number;
  /** Patches of the image, ascending. */
  readonly patches: readonly number[];
  /** How much of the token each patch makes up; sums to 1. */
  readonly weights: readonly number[];
}

export interface Group {
  readonly members: readonly number[];
  readonly weights?: readonly number[];
}

/** The visual tokens of a sequence, in its order. */
export class VisualTokens {
  private constructor(
    readonly list: readonly VisualToken[],
    readonly patchCount: number,
    /** Every patch is a token of its own, in raster order. */
    readonly whole: boolean,
    private readonly nextId: number,
  ) {}

  static ofPatches(count: number): VisualTokens {
    const list = Array.from({ length: count }, (_, patch) => ({ id: patch, patches: [patch], weights: [1] }));
    return new VisualTokens(list, count, true, count);
  }

  get count(): number {
    return this.list.length;
  }

  /** Groups of one keep their token; groups of several make a new one. */
  combine(groups: readonly Group[]): VisualTokens {
    let id = this.nextId;
    const list = groups.map(({ members, weights }) =>
      members.length === 1 ? this.list[members[0]!]! : this.merge(id++, members, weights),
    );
    const unchanged = this.whole && list.length === this.count && list.every((token, index) => token.id === index);
    return new VisualTokens(list, this.patchCount, unchanged, id);
  }

  private merge(id: number, members: readonly number[], weights: readonly number[] | undefined): VisualToken {
    const parts = members.flatMap((member, index) => {
      const share = weights?.[index] ?? 1 / members.length;
      const { patches, weights: inner } = this.list[member]!;
      return patches.map((patch, place) => ({ patch, weight: share * inner[place]! }));
    });
    parts.sort((a, b) => a.patch - b.patch);
    return { id, patches: parts.map(({ patch }) => patch), weights: parts.map(({ weight }) => weight) };
  }

  /** Spreads each token's value over its patches by weight; patches without a token get 0. @returns [patches] */
  spread(values: Float32Array): Float32Array {
    if (this.whole) return values;
    const painted = new Float32Array(this.patchCount);
    this.list.forEach(({ patches, weights }, token) => {
      for (let i = 0; i < patches.length; i++) painted[patches[i]!] = values[token]! * weights[i]!;
    });
    return painted;
  }
}

/** Whether the groups leave `count` tokens just as they are. */
export function changesNothing(groups: readonly Group[], count: number): boolean {
  return groups.length === count && groups.every(({ members }, index) => members.length === 1 && members[0] === index);
}
