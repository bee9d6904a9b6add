/** Which files a reference may mean. Nothing here touches the disk. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isImageFile } from '../image-files.ts';

export interface ReferencePlace {
  /** Folder of the document; absent for one that was never saved. */
  readonly folder?: string | undefined;
  /** Folders of the workspace. */
  readonly roots: readonly string[];
  readonly language: string;
}

/** A name of two letters or more; one letter is a drive of Windows. */
const scheme = /^[a-z][a-z\d+.-]+:/i;
const drive = /^[a-z]:[\\/]/i;
const graphicsEndings = ['.png', '.jpg', '.jpeg'];

/**
 * Absolute paths in the order in which they are to be tried: as written before decoded, beside the document before the
 * workspace's folders. Empty for URLs, data, network shares, and what cannot be a path.
 */
export function referencePaths(text: string, place: ReferencePlace): string[] {
  const paths = new Set<string>();
  // A network share may take seconds to say that it is not there.
  if (/^\s*[\\/]{2}/.test(text)) return [];
  for (const spelling of spellings(text)) {
    for (const absolute of absolutePaths(spelling, place)) {
      const endings = isImageFile(absolute) ? [''] : place.language.endsWith('tex') ? graphicsEndings : [];
      for (const added of endings) paths.add(absolute + added);
    }
  }
  return [...paths];
}

function spellings(text: string): string[] {
  const trimmed = text.trim();
  const plain = [trimmed, unescapeJson(trimmed), trimmed.replace(/\\([!-/:-@[-`{-~])/g, '$1')];
  const whole = plain.flatMap(each => [each, each.replace(/[?#].*$/s, '')]);
  return [...new Set(whole.flatMap(each => [each, decodePercent(each), each.replaceAll('&amp;', '&')]))];
}

function absolutePaths(text: string, { folder, roots }: ReferencePlace): string[] {
  if (text === '' || text.includes('\0') || /[\r\n]/.test(text)) return [];
  if (/^file:/i.test(text)) return localFile(text);
  if (/^[\\/]{2}/.test(text)) return [];
  const windows = path.sep === '\\';
  if (drive.test(text)) return windows ? [path.normalize(text)] : [];
  if (scheme.test(text)) return [];
  const places = [...(folder === undefined ? [] : [folder]), ...roots];
  const written = windows ? [text] : [...new Set([text, text.replaceAll('\\', '/')])];
  return written.flatMap(each => {
    if (!/^[\\/]/.test(each)) return places.map(place => path.resolve(place, each));
    if (!path.isAbsolute(each) || /^[\\/]{2}/.test(each)) return [];
    // "/images/a.png" of a site means its root.
    return [path.normalize(each), ...roots.map(root => path.join(root, each))];
  });
}

function localFile(text: string): string[] {
  try {
    const url = new URL(text);
    if (url.hostname !== '' && url.hostname !== 'localhost') return [];
    url.hostname = '';
    const file = fileURLToPath(url);
    return file.includes('\0') || /^[\\/]{2}/.test(file) ? [] : [file];
  } catch {
    return [];
  }
}

function unescapeJson(text: string): string {
  try {
    const value: unknown = JSON.parse(`"${text}"`);
    return typeof value === 'string' ? value : text;
  } catch {
    return text;
  }
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
