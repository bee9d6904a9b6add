import { firstScore, noToken, type Stage, type TokenReduction } from '../../trace/fates.ts';
import { keptOf } from '../../trace/kept-patches.ts';

/** Values of the tensors `fates.*`; what a run does not hold is left out. */
export interface FateTensors {
  /** [stages, patches] */
  readonly fate: Uint8Array;
  readonly reason?: Uint8Array;
  readonly key?: Uint8Array;
  readonly token?: Int32Array;
  readonly weight?: Float32Array;
  readonly partner?: Int32Array;
  /** [scores, patches] */
  readonly scores?: Float32Array;
}

/** `fates.fate`, as numbers. */
export const fate = { kept: 0, merged: 1, dropped: 2, rescued: 3, absent: 4 } as const;

export interface TokenCounts {
  /** Visual tokens that are left, of one patch and of several. */
  readonly single: number;
  readonly merged: number;
  /** Of these, how many belong to the key set. */
  readonly keySingle: number;
  readonly keyMerged: number;
  /** Dropped up to here. */
  readonly dropped: number;
  /** Stayed up to here although their scores said drop, and are left. */
  readonly rescued: number;
}

/** What has become of every patch when a stage has ended. */
export interface FateState {
  /** -1: before the first stage. */
  readonly stage: number;
  /** [patches], the stage that dropped the patch; -1 where it is left */
  readonly droppedAt: Int16Array;
  /** [patches], the latest stage that the patch was rescued in; -1 for none */
  readonly rescuedAt: Int16Array;
  /** [patches], the visual token that the patch is part of; -1 where it is gone */
  readonly token: Int32Array;
  /** [patches], how many patches make up that token */
  readonly groupSize: Int32Array;
  /** [patches], 1 where the patch is part of a token */
  readonly kept: Uint8Array;
  /** [patches], 1 in the key set */
  readonly key: Uint8Array;
  readonly counts: TokenCounts;
}

/** Everything that a run's stages did to its patches: read once, then answered from memory. */
export class RunFates {
  readonly stages: readonly Stage[];
  private readonly states = new Map<number, FateState>();

  /** @param patches of the grid */
  constructor(
    reduction: Pick<TokenReduction, 'stages'>,
    readonly patches: number,
    private readonly tensors: FateTensors,
  ) {
    this.stages = reduction.stages;
  }

  /** @param stage -1 for the untouched image */
  state(stage: number): FateState {
    const known = this.states.get(stage);
    if (known) return known;
    const state = stage < 0 ? this.untouched() : this.after(this.state(stage - 1), stage);
    this.states.set(stage, state);
    return state;
  }

  fateOf(stage: number, patch: number): number {
    return this.tensors.fate[stage * this.patches + patch] ?? fate.absent;
  }

  /** Why the stage did so; undefined where it gave no reason. */
  reasonOf(stage: number, patch: number): string | undefined {
    const index = this.tensors.reason?.[stage * this.patches + patch];
    return index === undefined ? undefined : this.stages[stage]?.reasons[index];
  }

  isKey(stage: number, patch: number): boolean {
    return stage >= 0 && this.tensors.key?.[stage * this.patches + patch] === 1;
  }

  /** How much of its token the patch makes up after the stage; undefined where the run does not say. */
  weightOf(stage: number, patch: number): number | undefined {
    return stage < 0 ? 1 : this.tensors.weight?.[stage * this.patches + patch];
  }

  /** A patch of the token that this one was merged into; -1 for none. */
  partnerOf(stage: number, patch: number): number {
    return stage < 0 ? -1 : (this.tensors.partner?.[stage * this.patches + patch] ?? -1);
  }

  /** NaN where the token had none. @param score index into the stage's scores */
  scoreOf(stage: number, score: number, patch: number): number {
    return this.tensors.scores?.[(firstScore(this.stages, stage) + score) * this.patches + patch] ?? NaN;
  }

  /** One patch for every token that a stage found: the first in the grid. */
  tokensBefore(stage: number): readonly number[] {
    const { token } = this.state(stage - 1);
    const seen = new Set<number>();
    const first: number[] = [];
    for (let patch = 0; patch < this.patches; patch++) {
      if (token[patch] === noToken || seen.has(token[patch]!) || this.fateOf(stage, patch) === fate.absent) continue;
      seen.add(token[patch]!);
      first.push(patch);
    }
    return first;
  }

  /** Patches of the token that this patch is part of when the stage has ended; none when it is gone. */
  members(stage: number, patch: number): readonly number[] {
    const { token } = this.state(stage);
    const own = token[patch]!;
    if (own === noToken) return [];
    const found: number[] = [];
    for (let other = 0; other < this.patches; other++) if (token[other] === own) found.push(other);
    return found;
  }

  private untouched(): FateState {
    const { patches } = this;
    return {
      stage: -1,
      droppedAt: new Int16Array(patches).fill(-1),
      rescuedAt: new Int16Array(patches).fill(-1),
      token: Int32Array.from({ length: patches }, (_, patch) => patch),
      groupSize: new Int32Array(patches).fill(1),
      kept: new Uint8Array(patches).fill(1),
      key: new Uint8Array(patches),
      counts: { single: patches, merged: 0, keySingle: 0, keyMerged: 0, dropped: 0, rescued: 0 },
    };
  }

  private after(before: FateState, stage: number): FateState {
    const { patches } = this;
    const start = stage * patches;
    const droppedAt = before.droppedAt.slice();
    const rescuedAt = before.rescuedAt.slice();
    const key = this.tensors.key?.slice(start, start + patches) ?? new Uint8Array(patches);
    const token = this.tensors.token?.slice(start, start + patches) ?? before.token.slice();
    const dropped = new Set<number>();
    const rescued = new Set<number>();
    for (let patch = 0; patch < patches; patch++) {
      const became = this.fateOf(stage, patch);
      if (became === fate.dropped && droppedAt[patch] === -1) {
        droppedAt[patch] = stage;
        dropped.add(before.token[patch]!);
      }
      if (became === fate.rescued) rescuedAt[patch] = stage;
      if (droppedAt[patch] !== -1) token[patch] = noToken;
      else if (rescuedAt[patch] !== -1) rescued.add(token[patch]!);
    }
    const groupSize = sizes(token);
    const counts = countTokens(token, groupSize, key, before.counts.dropped + dropped.size, rescued.size);
    return { stage, droppedAt, rescuedAt, token, groupSize, kept: keptOf(token), key, counts };
  }
}

/** How many tokens are left, of whatever size. */
export const tokensLeft = ({ single, merged }: TokenCounts): number => single + merged;

/** Patches that the tokens that are left are made of. */
export const patchesCovered = ({ kept }: FateState): number => kept.reduce((sum, one) => sum + one, 0);

function sizes(token: Int32Array): Int32Array {
  const perToken = new Map<number, number>();
  for (const one of token) if (one !== noToken) perToken.set(one, (perToken.get(one) ?? 0) + 1);
  return token.map(one => (one === noToken ? 0 : perToken.get(one)!));
}

function countTokens(
  token: Int32Array,
  groupSize: Int32Array,
  key: Uint8Array,
  dropped: number,
  rescued: number,
): TokenCounts {
  const seen = new Set<number>([noToken]);
  let [single, merged, keySingle, keyMerged] = [0, 0, 0, 0];
  token.forEach((one, patch) => {
    if (seen.has(one)) return;
    seen.add(one);
    const many = groupSize[patch]! > 1;
    if (many) merged++;
    else single++;
    if (key[patch] !== 1) return;
    if (many) keyMerged++;
    else keySingle++;
  });
  return { single, merged, keySingle, keyMerged, dropped, rescued };
}
