/** Where the visual tokens of a run stand at some moment, told of the original patches. Pure. */
import { fateNames, firstScore, noToken, type Stage, type StagePlace, type StageScore } from '../../trace/fates.ts';
import { keptOf } from '../../trace/kept-patches.ts';
import { probability } from '../format.ts';

const [dropped, rescued] = [fateNames.indexOf('dropped'), fateNames.indexOf('rescued')];

export interface TokenState {
  /** The last stage that had acted; -1 if none had. */
  readonly stage: number;
  /** [patches], 1 where the patch is part of a token */
  readonly kept: Uint8Array;
  /** [patches], the token that the patch is part of; -1 where it is gone */
  readonly token: ArrayLike<number>;
  /** [patches], patches of that token; 0 where it is gone */
  readonly members: Uint32Array;
  /** [patches], the stage that dropped it; -1 where none did */
  readonly droppedAt: Int32Array;
  /** [patches], 1 where the last stage rescued it */
  readonly rescued: Uint8Array;
  readonly counts: {
    readonly tokens: number;
    /** Tokens of more than one patch. */
    readonly merged: number;
    /** Patches that tokens cover, and that are gone. */
    readonly covered: number;
    readonly dropped: number;
    readonly rescued: number;
  };
}

/**
 * @param fates [stages, patches], `fates.fate`, at least up to `stage`; null when no stage has acted
 * @param tokens [patches], the row of `fates.token` of that stage
 */
export function tokenState(
  patches: number,
  stage: number,
  fates: ArrayLike<number> | null,
  tokens: ArrayLike<number> | null,
): TokenState {
  const token = stage >= 0 && tokens ? tokens : Int32Array.from({ length: patches }, (_, patch) => patch);
  const sizes = new Map<number, number>();
  for (let patch = 0; patch < patches; patch++)
    if (token[patch] !== noToken) sizes.set(token[patch]!, (sizes.get(token[patch]!) ?? 0) + 1);
  const kept = keptOf(token);
  const droppedAt = new Int32Array(patches).fill(-1);
  const saved = new Uint8Array(patches);
  for (let at = 0; fates && at <= stage; at++)
    for (let patch = 0; patch < patches; patch++) {
      const fate = fates[at * patches + patch];
      if (fate === dropped && !kept[patch]) droppedAt[patch] = at;
      if (fate === rescued && at === stage) saved[patch] = 1;
    }
  const covered = kept.reduce((sum, one) => sum + one, 0);
  return {
    stage,
    kept,
    token,
    members: Uint32Array.from({ length: patches }, (_, patch) => sizes.get(token[patch]!) ?? 0),
    droppedAt,
    rescued: saved,
    counts: {
      tokens: sizes.size,
      merged: [...sizes.values()].filter(size => size > 1).length,
      covered,
      dropped: patches - covered,
      rescued: saved.reduce((sum, one) => sum + one, 0),
    },
  };
}

/** "after D2", "before V0", "in the cache of D3" */
export function placeWords({ tower, layer }: StagePlace): string {
  if (tower === 'cache') return layer < 0 ? 'in the cache' : `in the cache of D${layer}`;
  const letter = tower === 'vision' ? 'V' : 'D';
  return layer < 0 ? `before ${letter}0` : `after ${letter}${layer}`;
}

/** A score in its unit's way of writing. */
export function scoreText(score: Pick<StageScore, 'unit'>, value: number): string {
  if (score.unit === 'count' || score.unit === 'textToken') return String(Math.round(value));
  if (score.unit === 'probability' || score.unit === 'share') return probability(value);
  return (Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(3)).replace('-', '−');
}

/** The stage that a patch's words are about: the one that dropped it, else the last one. */
export function decidingStage({ droppedAt, stage }: TokenState, patch: number): number {
  return droppedAt[patch]! >= 0 ? droppedAt[patch]! : stage;
}

/** First and end of a stage's rows of `fates.scores`. */
export function scoreRows(stages: readonly Stage[], stage: number): readonly [number, number] {
  return [firstScore(stages, stage), firstScore(stages, stage + 1)];
}

/**
 * What became of a patch, and by which score.
 * @param scores [scores of the deciding stage, patches]; null while they are read, or when there are none
 */
export function patchWords(
  stages: readonly Stage[],
  state: TokenState,
  patch: number,
  scores: ArrayLike<number> | null,
): string {
  const gone = !state.kept[patch];
  const at = decidingStage(state, patch);
  const stage = stages[at];
  const size = state.members[patch]!;
  const part = size > 1 ? `kept, in a token of ${size} patches` : 'kept, a token of its own';
  if (!stage) return gone ? 'gone' : part;
  const fate = gone
    ? `dropped by ${stage.title} ${placeWords(stage.place)}`
    : state.rescued[patch]
      ? `${part}, rescued`
      : part;
  const decided = stage.scores.flatMap((score, index) => {
    const value = scores?.[index * state.kept.length + patch];
    if (value === undefined || Number.isNaN(value) || !score.cutoff) return [];
    const side = value > score.cutoff.value ? 'over' : value < score.cutoff.value ? 'under' : 'at';
    return `${score.title} ${scoreText(score, value)}, ${side} ${scoreText(score, score.cutoff.value)}`;
  });
  return [fate, ...decided].join(' · ');
}
