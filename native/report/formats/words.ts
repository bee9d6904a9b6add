/** Words of a report as HTML, and as plain text. */
import type { Cell, Quoted, Words } from '../document.ts';
import { markup, type Markup } from '../markup.ts';

type Part = string | Quoted;

export const partsOf = (words: Words): readonly Part[] =>
  typeof words === 'string' || 'quoted' in words ? [words] : words;

export function htmlWords(words: Words): Markup {
  const parts = partsOf(words).map(part => {
    if (typeof part === 'string') return markup`${part}`;
    return part.marked ? markup`<mark><bdi>${part.quoted}</bdi></mark>` : markup`<bdi>${part.quoted}</bdi>`;
  });
  return markup`${parts}`;
}

export const plainWords = (words: Words): string =>
  partsOf(words)
    .map(part => (typeof part === 'string' ? part : part.quoted))
    .join('');

export const isCell = (cell: Cell | Words): cell is Cell =>
  typeof cell === 'object' && ('words' in cell || 'bar' in cell || 'stack' in cell || 'thumbnail' in cell);
