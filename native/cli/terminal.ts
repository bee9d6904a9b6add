/** What the terminal can show, and text in it. */

/** Bits of colour: 1 none, 8 the 256-colour palette, 24 all. */
export type ColourDepth = 1 | 8 | 24;
export type Rgb = readonly [red: number, green: number, blue: number];

/** The part of a terminal stream that is asked; `process.stdout` is one. */
export interface TerminalStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  getColorDepth?(environment?: object): number;
}

const defaultColumns = 80;

/** NO_COLOR (no-color.org) wins over FORCE_COLOR, which wins over what the terminal says of itself. */
export function colourDepth(stream: TerminalStream, environment: NodeJS.ProcessEnv): ColourDepth {
  const off = environment['NO_COLOR'];
  if (off !== undefined && off !== '') return 1;
  const forced = environment['FORCE_COLOR'];
  if (forced !== undefined) {
    if (forced === '0' || forced === 'false') return 1;
    return forced === '3' ? 24 : 8;
  }
  if (!stream.isTTY) return 1;
  const bits = stream.getColorDepth?.(environment) ?? 1;
  return bits >= 24 ? 24 : bits >= 8 ? 8 : 1;
}

export function columnsOf(stream: TerminalStream): number {
  return Math.max(40, stream.columns ?? defaultColumns);
}

/** Bold, dim and the like; without colours the text stays as it is. */
export class TextStyle {
  constructor(private readonly on: boolean) {}

  bold = (text: string): string => this.wrap(text, 1, 22);
  dim = (text: string): string => this.wrap(text, 2, 22);
  red = (text: string): string => this.wrap(text, 31, 39);
  yellow = (text: string): string => this.wrap(text, 33, 39);
  green = (text: string): string => this.wrap(text, 32, 39);
  cyan = (text: string): string => this.wrap(text, 36, 39);

  private wrap(text: string, start: number, end: number): string {
    return this.on && text !== '' ? `\u001b[${start}m${text}\u001b[${end}m` : text;
  }
}

/** Escape sequence parameters of a colour, after 38 (text) or 48 (ground). */
export function colourParameters([red, green, blue]: Rgb, depth: 8 | 24): string {
  if (depth === 24) return `2;${red};${green};${blue}`;
  return `5;${paletteIndex(red, green, blue)}`;
}

/** Levels of the 6 x 6 x 6 cube in the 256-colour palette. */
const cubeLevels = [0, 95, 135, 175, 215, 255];

/** The nearest of the cube (16 to 231) and the grey ramp (232 to 255). */
function paletteIndex(red: number, green: number, blue: number): number {
  const nearest = (value: number): number =>
    cubeLevels.reduce(
      (best, level, index) => (Math.abs(level - value) < Math.abs(cubeLevels[best]! - value) ? index : best),
      0,
    );
  const [r, g, b] = [nearest(red), nearest(green), nearest(blue)];
  const step = Math.max(0, Math.min(23, Math.round(((red + green + blue) / 3 - 8) / 10)));
  const grey = 8 + step * 10;
  const distance = (x: number, y: number, z: number): number => (x - red) ** 2 + (y - green) ** 2 + (z - blue) ** 2;
  const cube = distance(cubeLevels[r]!, cubeLevels[g]!, cubeLevels[b]!);
  return distance(grey, grey, grey) < cube ? 232 + step : 16 + 36 * r + 6 * g + b;
}

const escapes = /\u001b\[[0-9;]*m/g;

/** Columns that a text takes: wide for CJK and emoji, none for escapes and combining marks. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const { segment } of new Intl.Segmenter().segment(text.replace(escapes, ''))) {
    width += isWide(segment) ? 2 : /^[\p{Mn}\p{Cf}\p{Cc}]+$/u.test(segment) ? 0 : 1;
  }
  return width;
}

function isWide(segment: string): boolean {
  return /\p{Emoji_Presentation}|\uFE0F|[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF01-\uFF60\uFFE0-\uFFE6]|[\u{20000}-\u{3FFFD}]/u.test(
    segment,
  );
}

/** Breaks at spaces so that no line is wider than `width`; words that are too long stay whole. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(' ')) {
      if (line !== '' && displayWidth(line) + 1 + displayWidth(word) > width) {
        lines.push(line);
        line = word;
      } else {
        line = line === '' ? word : `${line} ${word}`;
      }
    }
    lines.push(line);
  }
  return lines;
}

/** Control characters made visible, so that a model's answer cannot steer the terminal. */
export function printable(text: string): string {
  return text.replace(/\r?\n/g, '⏎').replace(/[\p{Cc}\u2028\u2029\u202A-\u202E\u2066-\u2069]/gu, '·');
}
