/** Texts out of traces, which anybody may have written, as lines of a list and as Markdown. */
import { plainMarkdown } from '../../plain-words.ts';

/** Marks that reorder the text around them, and characters that are not drawn. A tab or a line break becomes a space. */
const invisible = /[\u0000-\u0008\u000b\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** On one line, without control characters, at most `longest` characters; none is cut in half. */
export function oneLine(text: string, longest = 200): string {
  // Cut twice: a prompt may have megabytes, and what is removed must not count.
  const line = text
    .slice(0, 8 * longest)
    .replace(invisible, '')
    .replace(/\s+/g, ' ')
    .trim();
  const characters = Array.from(line);
  if (characters.length <= longest) return line.length < text.length && text.length > 8 * longest ? `${line}…` : line;
  return `${characters
    .slice(0, longest - 1)
    .join('')
    .trimEnd()}…`;
}

const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

/** e.g. "12.4 MB"; powers of 1000. */
export function sizeText(bytes: number, language: string): string {
  let value = bytes;
  let unit = 0;
  // 999.6 would be rounded to 1000 of the smaller unit.
  while (value >= (unit === 0 ? 1000 : 999.5) && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const style = { style: 'unit', unit: units[unit]!, unitDisplay: unit === 0 ? 'long' : 'short' } as const;
  return new Intl.NumberFormat(language, { ...style, maximumSignificantDigits: 3 }).format(value);
}

/** The time on the day of `now`, else the date; empty when `created` is no date. */
export function timeText(created: string, now: Date, language: string): string {
  const time = new Date(created);
  if (Number.isNaN(time.getTime())) return '';
  if (time.toDateString() === now.toDateString()) {
    return time.toLocaleTimeString(language, { hour: '2-digit', minute: '2-digit' });
  }
  const sameYear = time.getFullYear() === now.getFullYear();
  return time.toLocaleDateString(language, {
    day: 'numeric',
    month: 'short',
    ...(sameYear ? {} : { year: 'numeric' }),
  });
}

export interface Picture {
  readonly mime: string;
  readonly bytes: Uint8Array;
}

/** Pixels: with more, the lines below the picture would need a scroll bar. */
const longestSide = 144;

/** VS Code cuts Markdown off at 100,000 characters; a larger picture would be shown as text. */
const longestPicture = 80_000;

export interface RunTooltip {
  readonly question: string;
  readonly answer: string;
  readonly rows: readonly (readonly [label: string, value: string])[];
  readonly picture?: Picture | undefined;
  /** Of the image, in pixels of any size: the picture has the same proportions. */
  readonly pictureSize: { readonly width: number; readonly height: number };
  /** Text alternative of the picture. */
  readonly pictureText: string;
}

/** Markdown without links, commands or HTML, whatever the trace says. */
export function tooltipMarkdown({ question, answer, rows, picture, pictureSize, pictureText }: RunTooltip): string {
  const paragraphs: string[] = [];
  if (picture) {
    const uri = `data:${picture.mime};base64,${Buffer.from(picture.bytes).toString('base64')}`;
    if (uri.length <= longestPicture)
      paragraphs.push(`![${plainMarkdown(oneLine(pictureText))}](${uri}|${drawnSize(pictureSize)})`);
  }
  paragraphs.push(`**${plainMarkdown(oneLine(question, 600))}**`);
  const said = oneLine(answer, 1000);
  if (said !== '') paragraphs.push(plainMarkdown(said));
  paragraphs.push(
    rows.map(([label, value]) => `${plainMarkdown(label)}: ${plainMarkdown(oneLine(value, 1000))}`).join('  \n'),
  );
  return paragraphs.join('\n\n');
}

/** Both sides, since a hover whose picture has none jumps when it is decoded. */
function drawnSize({ width, height }: RunTooltip['pictureSize']): string {
  const scale = longestSide / Math.max(width, height);
  const side = (length: number): number => Math.max(1, Math.round(length * scale));
  return `width=${side(width)},height=${side(height)}`;
}
