import type { TraceToken } from '../../trace/schema.ts';
import type { FateState, RunFates } from '../pruning/run-fates.ts';
import { decidingStage, fateWords, isAbove, scoreText } from '../pruning/stages.ts';

/** What became of a patch up to a state, and by which scores, in one line. */
export function patchWords(
  fates: RunFates,
  { stage, groupSize, kept, droppedAt }: FateState,
  patch: number,
  tokens: readonly TraceToken[],
): string {
  const at = decidingStage({ stage, droppedAt }, patch);
  const size = groupSize[patch]!;
  const words = fateWords(fates, stage, patch);
  const fate =
    kept[patch] && size > 1 && !words.startsWith('merged') ? `${words}, in a token of ${size} patches` : words;
  const decided = (fates.stages[at]?.scores ?? []).flatMap((score, index) => {
    const value = fates.scoreOf(at, index, patch);
    if (Number.isNaN(value) || !score.cutoff) return [];
    const side = isAbove(score.cutoff, value) ? 'over' : 'under';
    return `${score.title} ${scoreText(score, value, tokens)}, ${side} ${scoreText(score, score.cutoff.value, tokens)}`;
  });
  return [fate, ...decided].join(' · ');
}
