/** Words from traces, models, users and file names where VS Code would read more into them than letters. */

/** Marks that turn the direction of what follows: a file name could make the rest of the text read backwards. */
const directionMarks = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;
const loneSurrogates = /\p{Surrogate}/gu;

/** As a label or in the status bar: `$(name)` would be drawn as an icon. */
export function plainLabel(text: string): string {
  return text.replace(/\$\(/g, '\\$(');
}

/** As a notification: `[words](command:…)` would be a link, whose click runs any command of VS Code. */
export function plainMessage(text: string): string {
  return text.replace(/\]\(/g, '] (');
}

/**
 * As Markdown: everything in ASCII but letters, digits, spaces and commas becomes a character reference: those are neither Markdown
 * nor HTML nor the beginning of an icon or a link. Line breaks become spaces.
 */
export function plainMarkdown(text: string): string {
  return text
    .replace(controls, ' ')
    .replace(directionMarks, '')
    .replace(loneSurrogates, '\ufffd')
    .replace(/[!-+\--/:-@[-`{-~]/g, character => `&#${character.charCodeAt(0)};`);
}
