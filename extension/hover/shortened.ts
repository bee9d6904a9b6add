/** Text from models, users and file names as Markdown that shows it letter by letter, whatever it holds. */

/** Marks that turn the direction of what follows: a file name could make the rest of the card read backwards. */
const directionMarks = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;
const loneSurrogates = /\p{Surrogate}/gu;

/**
 * Everything in ASCII but letters, digits, spaces and commas becomes a character reference: those are neither Markdown
 * nor HTML nor the beginning of an icon or a link. Line breaks become spaces.
 */
export function plainText(text: string): string {
  return text
    .replace(controls, ' ')
    .replace(directionMarks, '')
    .replace(loneSurrogates, '\ufffd')
    .replace(/[!-+\--/:-@[-`{-~]/g, character => `&#${character.charCodeAt(0)};`);
}

/** The first `most` characters as people count them, with an ellipsis where something was left out. */
export function shortened(text: string, most: number): string {
  // Characters may be long, but not without end: no need to look further than this.
  const segments = new Intl.Segmenter().segment(text.slice(0, most * 40));
  let kept = '';
  let count = 0;
  for (const { segment } of segments) {
    if (++count > most) return `${kept.trimEnd()}…`;
    kept += segment;
  }
  return kept.length < text.length ? `${kept.trimEnd()}…` : text;
}
