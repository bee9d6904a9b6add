/** The report as Markdown, with its pictures as files beside it. */
import sharp from 'sharp';
import type { Cell, Figure, RasterPicture, ReportDocument, Table, Tile, Words } from '../document.ts';
import { escapeHtml } from '../markup.ts';
import { probability } from '../numbers.ts';
import { isCell, partsOf } from './words.ts';

export interface MarkdownReport {
  readonly text: string;
  /** By name, to be put into the folder. */
  readonly pictures: ReadonlyMap<string, Uint8Array>;
}

/** Pixels per cell in a sheet of maps. */
const cellScale = 4;
const tilesAcross = 6;

/** @param folder name of the pictures' folder, as seen from the Markdown file */
export async function renderMarkdown(report: ReportDocument, folder: string): Promise<MarkdownReport> {
  const files = new Map<string, Uint8Array>();
  const place = (name: string): string => `${encodeURIComponent(folder).replace(/[()']/g, percentCode)}/${name}`;
  const parts = [
    `# ${markdownWords(report.title)}`,
    inline(report.about),
    ...report.exchange.map(({ label, words }) => `**${markdownWords(label)}** ${markdownWords(words)}`),
    `> ${inline(report.cautions.join(' '))}`,
  ];
  for (const { title, note, figures = [], tables = [], remark } of report.sections) {
    parts.push(`## ${inline(title)}`);
    if (note !== undefined) parts.push(markdownWords(note));
    for (const figure of figures) parts.push(...(await figureLines(figure, files, place)));
    parts.push(...tables.map(tableLines));
    if (remark !== undefined) parts.push(markdownWords(remark));
  }
  parts.push('## How it was made');
  for (const { title, facts } of report.facts) {
    if (title !== undefined) parts.push(`### ${markdownWords(title)}`);
    const lines = facts.map(({ label, value }) => `| ${inline(label)} | ${inline(value)} |`);
    parts.push(['| | |', '| --- | --- |', ...lines].join('\n'));
  }
  return { text: `${parts.join('\n\n')}\n`, pictures: files };
}

function percentCode(character: string): string {
  return `%${character.charCodeAt(0).toString(16)}`;
}

/** Text as it is, on one line: neither Markdown nor HTML in it means anything. */
export function inline(text: string): string {
  return escapeHtml(text)
    .replace(/[\\`*_[\]#|~@$]|:(?=\/\/)|(?<=www)\./gi, '\\$&')
    .replace(/^\s*[-+=]|(?<=^\s*\d+)[.)]/g, '\\$&')
    .replace(/\s*\n\s*/g, ' ⏎ ')
    .replace(/[\t ]+/g, ' ');
}

function markdownWords(words: Words): string {
  const parts = partsOf(words).map(part => {
    if (typeof part === 'string') return inline(part);
    const text = inline(part.quoted);
    // Emphasis does not start or end at a space.
    return part.marked ? text.replace(/\S(?:.*\S)?/s, said => `**${said}**`) : text;
  });
  return parts.join('');
}

async function figureLines(
  figure: Figure,
  files: Map<string, Uint8Array>,
  place: (name: string) => string,
): Promise<string[]> {
  const caption = markdownWords(figure.caption);
  if (figure.kind === 'tiles') {
    const name = `${figure.name}.png`;
    files.set(name, await sheet(figure.tiles));
    const across = Math.min(tilesAcross, figure.tiles.length);
    const labels = figure.tiles.map(({ label, note }) => inline([label, note ?? ''].join(' ').trim()));
    return [
      `![${inline(figure.name)}](${place(name)})`,
      `${caption} From the left, ${across} a line: ${labels.join(', ')}.`,
    ];
  }
  const { picture, scale, title } = figure;
  const name = `${picture.name}.${picture.kind === 'drawing' ? 'svg' : picture.mime.slice('image/'.length)}`;
  files.set(name, picture.kind === 'drawing' ? Buffer.from(picture.svg.text) : await enlarged(picture));
  const range = scale
    ? ` Scale: 0 (light) to ${inline(probability(scale.maximum))} (dark), ${inline(scale.unit)}.`
    : '';
  return [
    ...(title === undefined ? [] : [`**${markdownWords(title)}**`]),
    `![${inline(picture.alt)}](${place(name)})`,
    caption + range,
  ];
}

async function enlarged({ bytes, cells, width, height }: RasterPicture): Promise<Uint8Array> {
  if (!cells) return bytes;
  const scale = Math.max(1, Math.floor(480 / Math.max(width, height)));
  return sharp(bytes)
    .resize(width * scale, height * scale, { kernel: 'nearest' })
    .png()
    .toBuffer();
}

/** All tiles in one picture, in lines of six. */
async function sheet(tiles: readonly Tile[]): Promise<Uint8Array> {
  const gap = 8;
  const width = Math.max(...tiles.map(({ picture }) => picture.width)) * cellScale;
  const height = Math.max(...tiles.map(({ picture }) => picture.height)) * cellScale;
  const placed = await Promise.all(
    tiles.map(async ({ picture }, index) => ({
      input: await sharp(picture.bytes)
        .resize(picture.width * cellScale, picture.height * cellScale, { kernel: 'nearest' })
        .png()
        .toBuffer(),
      left: gap + (index % tilesAcross) * (width + gap),
      top: gap + Math.floor(index / tilesAcross) * (height + gap),
    })),
  );
  const across = Math.min(tilesAcross, tiles.length);
  const size = {
    width: gap + across * (width + gap),
    height: gap + Math.ceil(tiles.length / tilesAcross) * (height + gap),
  };
  return sharp({ create: { ...size, channels: 3, background: '#dddddd' } })
    .composite(placed)
    .png()
    .toBuffer();
}

function tableLines({ columns, rows }: Table): string {
  const shown = columns.map(({ graphic }) => !graphic);
  const kept = <T>(cells: readonly T[]): T[] => cells.filter((_, index) => shown[index]);
  const head = kept(columns).map(({ title }) => markdownWords(title));
  const rule = kept(columns).map(({ align }) => (align === 'right' ? ' --: ' : ' --- '));
  const lines = rows.map(({ cells }) => `| ${kept(cells).map(cellText).join(' | ')} |`);
  return [`| ${head.join(' | ')} |`, `|${rule.join('|')}|`, ...lines].join('\n');
}

function cellText(given: Cell | Words): string {
  const cell: Cell = isCell(given) ? given : { words: given };
  return 'words' in cell ? markdownWords(cell.words) : '';
}
