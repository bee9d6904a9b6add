import { traceExtension } from '../../../trace/schema.ts';

export type NameProblem = 'empty' | 'characters' | 'ending' | 'reserved' | 'long' | 'taken';

/** Bytes of UTF-8 that file systems take; a trace has another ending while it is written. */
const longestName = 255 - '.partial'.length;
/** Names of devices on Windows, with any ending. */
const reserved = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)/i;

/** The file name that a typed name means: the ending is added unless it was typed. */
export function traceFileName(typed: string): string {
  const name = typed.trim();
  return name.toLowerCase().endsWith(traceExtension)
    ? name.slice(0, -traceExtension.length) + traceExtension
    : name + traceExtension;
}

/**
 * What keeps a name from being used on some file system; undefined when nothing does.
 * @param current the name that the file has now, which is not a clash
 * @param others the other names in the folder; on many machines case makes no difference
 */
export function nameProblem(typed: string, current: string, others: Iterable<string>): NameProblem | undefined {
  const name = traceFileName(typed);
  const stem = name.slice(0, -traceExtension.length);
  if (stem.trim() === '') return 'empty';
  // Marks that reorder text make a name that is not what it seems.
  if (/[\\/:*?"<>|\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]/.test(stem)) return 'characters';
  if (/^\.|[. ]$/.test(stem)) return 'ending';
  if (reserved.test(stem)) return 'reserved';
  if (Buffer.byteLength(name) > longestName) return 'long';
  const same = (a: string, b: string): boolean => a.normalize().toLowerCase() === b.normalize().toLowerCase();
  for (const other of others) if (other !== current && same(other, name)) return 'taken';
  return undefined;
}
