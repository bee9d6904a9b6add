import type { Stage, StageProgress } from '../../native/rpc.ts';

/** Where each stage starts and ends on the progress bar, as a share of the whole. */
const shares: Readonly<Record<Stage, readonly [first: number, end: number]>> = {
  queued: [0, 0],
  image: [0, 0.03],
  load: [0.03, 0.25],
  vision: [0.25, 0.35],
  tiles: [0.35, 0.45],
  frames: [0.35, 0.45],
  solve: [0.45, 0.45],
  prefill: [0.45, 0.6],
  decode: [0.6, 0.95],
  write: [0.95, 1],
};

/** How much of a run is done, 0 to 1. */
export function fractionDone({ stage, done, total }: StageProgress): number {
  const [first, end] = shares[stage];
  return first + (end - first) * (total > 0 ? Math.min(1, Math.max(0, done / total)) : 0);
}

/** The end of the answer so far, short enough for one line. */
export function answerTail(text: string, length: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= length ? line : `…${line.slice(line.length - length + 1)}`;
}
