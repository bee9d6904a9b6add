/** Where the keys of a rank lie in the images, in words and as rows. */
import type { TrafficWorkload, WorkloadFrame } from '../../trace/traffic/metadata.ts';
import { rowTotal } from '../../trace/traffic/metadata.ts';
import { count } from '../format.ts';

export interface KeyRange {
  readonly first: number;
  readonly end: number;
}

export function keyRange({ sharding }: TrafficWorkload, rank: number): KeyRange {
  const first = rowTotal(sharding.keyRows.slice(0, rank));
  return { first, end: first + (sharding.keyRows[rank] ?? 0) };
}

/** Part of a frame that these keys cover, in keys of the frame; undefined for none. */
export function within({ first, end }: KeyRange, frame: WorkloadFrame): KeyRange | undefined {
  const from = Math.max(first, frame.firstKey) - frame.firstKey;
  const to = Math.min(end, frame.firstKey + frame.keys) - frame.firstKey;
  return to > from ? { first: from, end: to } : undefined;
}

/** "648, image rows 15 to 17", "1 296, frames 3 to 5". */
export function keysWords(workload: TrafficWorkload, rank: number): string {
  const range = keyRange(workload, rank);
  const keys = count(range.end - range.first);
  const { frames = [] } = workload;
  const parts = frames.flatMap((frame, index) => {
    const part = within(range, frame);
    return part ? [{ frame, index, part }] : [];
  });
  const [first, last] = [parts[0], parts.at(-1)];
  if (!first || !last) return keys;
  if (parts.length === 1) {
    const { columns } = first.frame.grid;
    const [top, bottom] = [Math.floor(first.part.first / columns), Math.floor((first.part.end - 1) / columns)];
    const where = frames.length === 1 ? 'image' : first.frame.name;
    return `${keys}, ${where}, rows ${top} to ${bottom} of ${first.frame.grid.rows}`;
  }
  return `${keys}, of frames ${first.index} to ${last.index}`;
}
