/** Which keys a query row sees, as one interval [first, end) per row; never as a dense mask. */
import type { TrafficWorkload } from './metadata.ts';

export const maskNames = ['none', 'causal-frames', 'own-frame', 'padding'] as const;
export type MaskName = (typeof maskNames)[number];

export type Mask =
  | { readonly name: 'none' }
  /** Frames of noise; images have their own. */
  | { readonly name: 'causal-frames' | 'own-frame'; readonly frames: number | undefined }
  | { readonly name: 'padding'; readonly share: number };

/** What a trace calls a mask. */
export const maskOfWorkload: Readonly<Record<MaskName, TrafficWorkload['mask']>> = {
  none: 'none',
  'causal-frames': 'staircase',
  'own-frame': 'own-frame',
  padding: 'padding',
};

/** What a trace says that a mask was; undefined where an older one does not say how wide. */
export function recordedMask({
  mask,
  maskFrames,
  maskShare,
  frames,
}: Pick<TrafficWorkload, 'mask' | 'maskFrames' | 'maskShare' | 'frames'>): Mask | undefined {
  switch (mask) {
    case 'none':
      return { name: 'none' };
    case 'padding':
      return maskShare === undefined ? undefined : { name: 'padding', share: maskShare };
    case 'staircase':
    case 'own-frame': {
      const name = mask === 'staircase' ? 'causal-frames' : mask;
      return frames || maskFrames !== undefined ? { name, frames: frames ? undefined : maskFrames } : undefined;
    }
  }
}

/** For the reader; absent where everything is visible. */
export const maskSentences: Readonly<Partial<Record<TrafficWorkload['mask'], string>>> = {
  staircase: 'A query sees frames up to its own place.',
  'own-frame': 'A query sees the frame at its own place; those before the first frame see nothing.',
  padding: 'The last keys are padding that no query sees.',
};

export interface KeySpan {
  readonly firstKey: number;
  readonly keys: number;
}

/** As many frames of the same size, the first ones a key longer. */
export function evenFrames(keys: number, frames: number): KeySpan[] {
  const count = Math.min(frames, keys);
  const firstOf = (frame: number): number => Math.floor((frame * keys) / count);
  return Array.from({ length: count }, (_, frame) => ({
    firstKey: firstOf(frame),
    keys: firstOf(frame + 1) - firstOf(frame),
  }));
}

/** So many query rows, one after the other, that all see the keys [first, end). */
export interface VisibleRun {
  readonly rows: number;
  readonly first: number;
  readonly end: number;
}

/**
 * Text and frames are thought of as interleaved evenly, as when a film is told: row i of n stands at share i/n of the frames.
 * @returns undefined where everything is visible
 */
export function visibleRuns(
  mask: Mask,
  rows: number,
  keys: number,
  frames: readonly KeySpan[],
): VisibleRun[] | undefined {
  if (mask.name === 'none') return undefined;
  const runs: VisibleRun[] = [];
  for (let row = 0; row < rows;) {
    const [first, end] = intervalOf(mask, row / rows, keys, frames);
    // Neither bound ever falls from row to row, so that rows which see the same are next to each other.
    let [same, other] = [row, rows];
    while (other - same > 1) {
      const middle = Math.floor((same + other) / 2);
      const [firstThere, endThere] = intervalOf(mask, middle / rows, keys, frames);
      if (firstThere === first && endThere === end) same = middle;
      else other = middle;
    }
    runs.push({ rows: other - row, first, end });
    row = other;
  }
  return runs;
}

/** @returns [rows, 2] keys [first, end) of each row; undefined where everything is visible */
export function visibleIntervals(
  mask: Mask,
  rows: number,
  keys: number,
  frames: readonly KeySpan[],
): Int32Array | undefined {
  const runs = visibleRuns(mask, rows, keys, frames);
  if (!runs) return undefined;
  const visible = new Int32Array(rows * 2);
  let row = 0;
  for (const { rows: count, first, end } of runs)
    for (const last = row + count; row < last; row++) visible.set([first, end], row * 2);
  return visible;
}

/** @param visible [rows, 2] */
export function runsOfIntervals(visible: Int32Array): VisibleRun[] {
  const runs: { rows: number; first: number; end: number }[] = [];
  for (let at = 0; at < visible.length; at += 2) {
    const [first, end] = [visible[at]!, visible[at + 1]!];
    const last = runs.at(-1);
    if (last?.first === first && last.end === end) last.rows++;
    else runs.push({ rows: 1, first, end });
  }
  return runs;
}

function intervalOf(
  mask: Exclude<Mask, { name: 'none' }>,
  place: number,
  keys: number,
  frames: readonly KeySpan[],
): readonly [first: number, end: number] {
  const endOf = ({ firstKey, keys: count }: KeySpan): number => firstKey + count;
  switch (mask.name) {
    case 'padding':
      return [0, Math.max(0, keys - Math.round(keys * mask.share))];
    case 'causal-frames':
      return [0, endOf(frames[Math.floor(place * frames.length)]!)];
    case 'own-frame': {
      const frame = frames[Math.floor(place * (frames.length + 1)) - 1];
      return frame ? [frame.firstKey, endOf(frame)] : [0, 0];
    }
  }
}
