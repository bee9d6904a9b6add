/** Which patches still belong to a visual token, and how two runs differ in it. */
import { noToken, type Stage } from './fates.ts';

/** A place in a run: the input of a layer in prefill, or what decode reads after all stages. */
export interface Moment {
  readonly tower: 'vision' | 'decoder' | 'decode';
  /** 0-based; of no meaning for `decode`. */
  readonly layer: number;
}

/** Index of the last stage that had acted by then; -1 if none had. */
export function lastStageBy(stages: readonly Stage[], { tower, layer }: Moment): number {
  return stages.findLastIndex(({ place }) => {
    if (tower === 'decode') return true;
    if (place.tower === 'vision') return tower === 'decoder' || place.layer < layer;
    return tower === 'decoder' && place.tower === 'decoder' && place.layer < layer;
  });
}

/** @param tokens [patches], a row of `fates.token` @returns [patches], 1 where the patch is part of a token */
export function keptOf(tokens: ArrayLike<number>): Uint8Array {
  return Uint8Array.from(tokens, token => (token === noToken ? 0 : 1));
}

export interface KeptCounts {
  readonly both: number;
  readonly onlyFirst: number;
  readonly onlySecond: number;
  readonly neither: number;
  /** Intersection over union of the covered patches; 1 where neither covers any. */
  readonly overlap: number;
}

/** @param first [patches], 0 or 1; as long as `second` */
export function countKept(first: Uint8Array, second: Uint8Array): KeptCounts {
  let [both, onlyFirst, onlySecond] = [0, 0, 0];
  for (let patch = 0; patch < first.length; patch++) {
    if (first[patch] && second[patch]) both++;
    else if (first[patch]) onlyFirst++;
    else if (second[patch]) onlySecond++;
  }
  const union = both + onlyFirst + onlySecond;
  return { both, onlyFirst, onlySecond, neither: first.length - union, overlap: union === 0 ? 1 : both / union };
}
