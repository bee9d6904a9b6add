import path from 'node:path';
import { traceExtension } from '../../trace/schema.ts';

const longestStem = 80;

/**
 * `<image stem>-<yyyymmdd-hhmmss>.fovea` in local time, with `-2`, `-3` … while the name is taken.
 * Characters that some file system refuses become `-`.
 */
export function runFileName(imagePath: string, now: Date, taken: (name: string) => boolean): string {
  const stem = path
    .parse(imagePath)
    .name.replace(/[\\/:*?"<>|\u0000-\u001f]/g, '-')
    .slice(0, longestStem);
  const two = (value: number): string => String(value).padStart(2, '0');
  const date = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  const base = `${stem}-${date}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
  let name = base + traceExtension;
  for (let copy = 2; taken(name); copy++) name = `${base}-${copy}${traceExtension}`;
  return name;
}

/**
 * Whether a half-written trace belongs to no living run: written before this window started, or not touched for long
 * enough that no other window is writing it.
 */
export function isLeftover(modified: number, now: number, started: number): boolean {
  return modified < started || now - modified > 10_000;
}
