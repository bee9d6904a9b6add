import path from 'node:path';
import { traceExtension } from '../../trace/schema.ts';

/** Bytes of UTF-8. File systems take 255 for a name; date, copy number and `.fovea.partial` come after the stem. */
const longestStem = 96;

/**
 * `<image stem>-<yyyymmdd-hhmmss>.fovea` in local time, with `-2`, `-3` … while the name is taken.
 * Characters that some file system refuses become `-`.
 */
export function runFileName(imagePath: string, now: Date, taken: (name: string) => boolean): string {
  const stem = shortened(path.parse(imagePath).name.replace(/[\\/:*?"<>|\u0000-\u001f]/g, '-'));
  const two = (value: number): string => String(value).padStart(2, '0');
  const date = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  const base = `${stem}-${date}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
  let name = base + traceExtension;
  for (let copy = 2; taken(name); copy++) name = `${base}-${copy}${traceExtension}`;
  return name;
}

/** Cut between two characters, also when one takes two UTF-16 units: half of a pair is no file name. */
function shortened(stem: string): string {
  let bytes = 0;
  let kept = '';
  for (const character of stem) {
    bytes += Buffer.byteLength(character);
    if (bytes > longestStem) break;
    kept += character;
  }
  return kept;
}

/** A window that was reloaded has killed its run; another one that is writing touches the file more often than this. */
const pauseOfWriter = 10_000;
/** A slow disk may take this long to take in what was written, without the file being touched. */
const longestSync = 10 * 60_000;

/**
 * Whether a half-written trace belongs to no living run. Another window may be writing it, so it must be untouched for a
 * while; for longer when it was written to since this window started.
 * @param started when this window started; like the other times in milliseconds since 1970
 */
export function isLeftover(modified: number, now: number, started: number): boolean {
  return now - modified > (modified < started ? pauseOfWriter : longestSync);
}
