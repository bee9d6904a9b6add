/** Finds what looks like the path of an image in one line of text. Nothing here touches the disk. */
import { imageExtensions } from '../image-files.ts';

export interface ImageReference {
  /** As written, without quotes and brackets. */
  readonly text: string;
  /** Half-open range of columns that a hover answers on: for a Markdown image, all of `![alt](path)`. */
  readonly start: number;
  readonly end: number;
}

/** Longer ones are no paths: file systems end at 4096 bytes, people far before. */
const longestPath = 1024;
const ending = new RegExp(`\\.(?:${imageExtensions.join('|')})(?![\\w-])`, 'gi');
const quotes = `"'\``;
/** Where a path without quotes ends or begins. */
const bareEdge = /[\s"'`()[\]{}<>=,;|*]/;

/** Languages in which paths stand without quotes, too. */
const bareLanguages: ReadonlySet<string> = new Set(['markdown', 'html', 'yaml', 'latex', 'tex']);

/**
 * All references in a line, from left to right, without overlaps. Linear in the length of the line: around each ending, no more
 * is read than the longest path has, and patterns with repetitions see such parts only.
 */
export function imageReferences(line: string, language: string): ImageReference[] {
  const found: ImageReference[] = [];
  const add = (reference: ImageReference | undefined): void => {
    if (!reference || reference.text === '' || reference.text.length > longestPath) return;
    if (reference.start >= (found.at(-1)?.end ?? 0)) found.push(reference);
  };
  if (language === 'yaml') add(yamlValue(line));
  for (const match of line.matchAll(ending)) {
    add(aroundEnding(line, match.index, match.index + match[0].length, bareLanguages.has(language)));
  }
  if (language === 'latex' || language === 'tex') {
    for (const graphic of graphicsWithoutEnding(line)) if (!found.some(each => overlaps(each, graphic))) add(graphic);
  }
  return found;
}

/** The reference under a column; of a long line, only the neighbourhood is read. */
export function imageReferenceAt(line: string, column: number, language: string): ImageReference | undefined {
  const from = Math.max(0, column - 2 * longestPath);
  const near = line.slice(from, column + 2 * longestPath);
  const reference = imageReferences(near, language).find(
    ({ start, end }) => start + from <= column && column <= end + from,
  );
  return reference && { ...reference, start: reference.start + from, end: reference.end + from };
}

/** @param dot column of the ending's dot; @param after column behind the ending */
function aroundEnding(line: string, dot: number, after: number, bare: boolean): ImageReference | undefined {
  const end = after + (/^[?#][^\s"'`()[\]{}<>\\]*/.exec(line.slice(after, after + longestPath))?.[0].length ?? 0);
  const escaped = line[end] === '\\' && quotes.includes(line[end + 1] ?? ' ');
  const right = line[escaped ? end + 1 : end];
  if (right !== undefined && quotes.includes(right)) {
    const left = openingQuote(line, dot, right, escaped);
    if (left !== undefined) {
      const start = left + 1;
      const text = line.slice(start, end);
      return { text, start, end };
    }
  }
  if (right === ')' || (right !== undefined && /\s/.test(right))) {
    const link = markdownLink(line, dot, end);
    if (link) return link;
  }
  if (right === '>') {
    const left = lastWithin(line, '<', dot);
    const text = left === undefined ? '' : line.slice(left + 1, end);
    if (left !== undefined && !/[<>=]/.test(text)) return inLink(line, { text, start: left + 1, end });
  }
  if (right === '}') {
    const left = lastWithin(line, '{', dot);
    if (left !== undefined && /\\[a-zA-Z]+\*?\s*(?:\[[^[\]]*\]\s*)?$/.test(line.slice(Math.max(0, left - 200), left)))
      return { text: line.slice(left + 1, end).trim(), start: left + 1, end };
  }
  if (!bare || (right !== undefined && !bareEdge.test(right) && !/[.:!?\\]/.test(right))) return undefined;
  let start = dot;
  while (start > 0 && dot - start < longestPath && !bareEdge.test(line[start - 1]!)) start--;
  return start === dot ? undefined : { text: line.slice(start, end), start, end };
}

/** The quote that opens what `right` closes: the nearest one to the left, escaped like it. */
function openingQuote(line: string, dot: number, right: string, escaped: boolean): number | undefined {
  const from = Math.max(0, dot - longestPath - 1);
  const near = line.slice(from, dot);
  for (let at = near.lastIndexOf(right); at >= 0; at = at > 0 ? near.lastIndexOf(right, at - 1) : -1) {
    if ((line[from + at - 1] === '\\') === escaped) return from + at;
  }
  return undefined;
}

/** `[text](path)`, `[text](path "title")`, `(path)`, `url(path)`: the innermost bracket that is still open. */
function markdownLink(line: string, dot: number, end: number): ImageReference | undefined {
  const rest = line.slice(end, end + longestPath);
  if (!/^(?:\)|\s+(?:"[^"]*"|'[^']*'|=[\dx%]*)\s*\))/.test(rest)) return undefined;
  let depth = 0;
  for (let at = dot - 1; at >= 0 && dot - at < longestPath; at--) {
    if (line[at] === ')') depth++;
    else if (line[at] === '(' && depth-- === 0) {
      const start = at + 1 + (/^\s*/.exec(line.slice(at + 1, dot))?.[0].length ?? 0);
      return inLink(line, { text: line.slice(start, end), start, end });
    }
  }
  return undefined;
}

/** Widened to the whole of `![alt](path "title")` where the path stands in one. */
function inLink(line: string, { text, start, end }: ImageReference): ImageReference {
  const before = /!?\[[^[\]]*\]\(\s*<?$/.exec(line.slice(Math.max(0, start - longestPath), start));
  const after = /^>?(?:\s[^()]*)?\)/.exec(line.slice(end, end + longestPath));
  if (!before || !after) return { text, start, end };
  return { text, start: start - before[0].length, end: end + after[0].length };
}

/** The value of `key: value` or `- value`, which may hold spaces without quotes. */
function yamlValue(line: string): ImageReference | undefined {
  const key = /^\s*(?:-\s+)*(?:[\w.-]{1,100}\s*:\s+)?/.exec(line.slice(0, longestPath))?.[0] ?? '';
  const value = line.slice(key.length, key.length + 2 * longestPath);
  if (key.trim() === '' || /^["'[{|>&*!#]/.test(value)) return undefined;
  const text = value.replace(/\s#.*$/s, '').trimEnd();
  const path = text.replace(/[?#].*$/s, '');
  return new RegExp(`${ending.source}$`, 'i').test(path)
    ? { text, start: key.length, end: key.length + text.length }
    : undefined;
}

/** `\includegraphics{figures/scene}`: LaTeX finds the ending by itself. */
function* graphicsWithoutEnding(line: string): Generator<ImageReference> {
  for (const { index } of line.matchAll(/\\includegraphics/g)) {
    const command = line.slice(index, index + 2 * longestPath);
    const match = /^\\includegraphics\*?\s*(?:\[[^[\]]*\]\s*)?\{([^{}\\]+)\}/.exec(command);
    if (!match) continue;
    const end = index + match[0].length - 1;
    yield { text: match[1]!.trim(), start: end - match[1]!.length, end };
  }
}

function lastWithin(line: string, character: string, before: number): number | undefined {
  if (before <= 0) return undefined;
  const from = Math.max(0, before - longestPath - 1);
  const at = line.slice(from, before).lastIndexOf(character);
  return at < 0 ? undefined : from + at;
}

function overlaps(a: ImageReference, b: ImageReference): boolean {
  return a.start < b.end && b.start < a.end;
}
