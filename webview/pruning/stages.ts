import { lastStageBefore, type Stage, type StageScore } from '../../trace/fates.ts';
import type { RunMetadata, TraceToken } from '../../trace/schema.ts';
import { quoted } from '../attention/rows.ts';
import { count, probability } from '../format.ts';
import { fate, type FateState, type RunFates } from './run-fates.ts';

/** "D4", "V0", "cache D4", or "input of D0" where a stage acts before the first layer. */
export function placeName({ place }: Pick<Stage, 'place'>): string {
  const letter = place.tower === 'vision' ? 'V' : 'D';
  if (place.layer < 0) return `input of ${letter}0`;
  return place.tower === 'cache' ? `cache D${place.layer}` : `${letter}${place.layer}`;
}

/** "output of D4", as it is said in a sentence. */
export function placeWords(stage: Pick<Stage, 'place'>): string {
  const { layer, tower, inside } = stage.place;
  if (layer < 0 || tower === 'cache') return placeName(stage);
  return `${inside ? 'inside' : 'output of'} ${placeName(stage)}`;
}

/** The stage after which a layer's survivors are shown: the last that acted up to its output; -1 before the first. */
export function stageOfLayer(stages: readonly Stage[], tower: 'vision' | 'decoder', layer: number): number {
  if (tower === 'decoder') return lastStageBefore(stages, layer + 1);
  return stages.findLastIndex(({ place }) => place.tower === 'vision' && place.layer <= layer);
}

/** The last stage that acted before this layer of the vision tower. */
export function lastVisionStageBefore(stages: readonly Stage[], layer: number): number {
  return stages.findLastIndex(({ place }) => place.tower === 'vision' && place.layer < layer);
}

/** The stage to look at first: the last of prefill, when it is decided what the answer is read from. */
export function stageToBeginWith({ reduction }: Pick<RunMetadata, 'reduction'>): number {
  const stages = reduction?.stages ?? [];
  const prefill = stages.findLastIndex(({ place }) => place.tower !== 'cache');
  return prefill >= 0 ? prefill : stages.length - 1;
}

/** How many stages up to this one drop anything: the later, the denser the hatch. @returns [stages] */
export function dropOrder(fates: RunFates): readonly number[] {
  let drops = 0;
  return fates.stages.map((_, stage) => {
    const { dropped } = fates.state(stage).counts;
    const before = fates.state(stage - 1).counts.dropped;
    return dropped > before ? drops++ : drops;
  });
}

/** A score's value in its unit. */
export function scoreText({ unit }: Pick<StageScore, 'unit'>, value: number, tokens: readonly TraceToken[]): string {
  if (Number.isNaN(value)) return '–';
  switch (unit) {
    case 'probability':
    case 'share':
      return probability(value);
    case 'count':
      return count(Math.round(value));
    case 'textToken':
      return tokens[value] ? quoted(tokens[value].text) : '–';
    case 'cosine':
    case 'distance':
    case 'density':
    case 'number':
      return Math.abs(value) >= 1000 ? count(Math.round(value)) : shortNumber(value);
  }
}

function shortNumber(value: number): string {
  const size = Math.abs(value);
  const text = size >= 100 ? size.toFixed(0) : size >= 10 ? size.toFixed(1) : size >= 0.01 ? size.toFixed(3) : '';
  const written = text === '' ? probability(size) : text;
  return value < 0 ? `\u2212${written}` : written;
}

/** On which side of its cut-off a value lies. Scores are kept in single precision, and so the cut-off is compared. */
export function isAbove(cutoff: NonNullable<StageScore['cutoff']>, value: number): boolean {
  const cut = Math.fround(cutoff.value);
  return cutoff.inclusive ? value >= cut : value > cut;
}

/** "stays from 0.0045", "merges above 0.8", as a column's heading. */
export function cutoffWords(score: StageScore, tokens: readonly TraceToken[]): string {
  const { cutoff } = score;
  if (!cutoff) return '';
  return `${cutoff.above} ${cutoff.inclusive ? '≥' : '>'} ${scoreText(score, cutoff.value, tokens)}`;
}

/** What a stage did with the token of a patch: "dropped: both scores under their cuts". */
export function verdictWords(fates: RunFates, stage: number, patch: number): string {
  const became = fates.fateOf(stage, patch);
  const reason = fates.reasonOf(stage, patch);
  const names = ['kept', 'merged', 'dropped', 'rescued', 'gone before'] as const;
  const size = became === fate.merged ? fates.state(stage).groupSize[patch]! : 0;
  const verdict = size > 1 ? `merged, ${size} patches` : (names[became] ?? 'gone before');
  return reason === undefined ? verdict : `${verdict}: ${withoutFate(reason)}`;
}

/** The stage that a patch's words are about: the one that dropped it, else the shown one. */
export function decidingStage({ droppedAt, stage }: Pick<FateState, 'droppedAt' | 'stage'>, patch: number): number {
  return droppedAt[patch]! >= 0 ? droppedAt[patch]! : stage;
}

/** What has become of a patch up to a stage, and where: "dropped: both scores under their cuts, output of D4". */
export function fateWords(fates: RunFates, stage: number, patch: number): string {
  const told = decidingStage(fates.state(stage), patch);
  const at = fates.stages[told];
  return at ? `${verdictWords(fates, told, patch)}, ${placeWords(at)}` : 'kept';
}

/** Reasons may begin with the fate that they explain, which is said already. */
const withoutFate = (reason: string): string => reason.replace(/^(stays|kept|merges|merged|goes|dropped): /, '');

/** Change of the number of tokens, with a true minus. */
export const changeWords = ({ entering, leaving }: Pick<Stage, 'entering' | 'leaving'>): string =>
  `${count(entering)} → ${count(leaving)}`;
