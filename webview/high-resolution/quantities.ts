import { share } from '../format.ts';

/** An overlap with two decimals; a dash where there is none to tell. */
export const overlapText = (overlap: number | undefined): string =>
  overlap === undefined || Number.isNaN(overlap) ? '–' : overlap.toFixed(2);

/** A change of the output as a share of it: "26 %"; "< 0.1 %". */
export const changeText = (change: number): string => share(change);
