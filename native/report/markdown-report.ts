/** The report as Markdown, with its pictures as files beside it. */
import sharp from 'sharp';
import { massGroups } from '../../trace/schema.ts';
import { groupNames, groupOrder, visibleToken } from './groups.ts';
import { escapeHtml } from './markup.ts';
import { percent, probability, tokenProbability } from './numbers.ts';
import { maximumOf, type ReportPictures } from './report-pictures.ts';
import type { RunContent } from './run-content.ts';
import { cautions, runFacts, summaryLine } from './run-facts.ts';

export interface MarkdownReport {
  readonly text: string;
  /** By name, to be put into the folder. */
  readonly pictures: ReadonlyMap<string, Uint8Array>;
}

const stillName = 'answer-attention.png';
const layersName = 'layers.png';
/** Pixels per patch in the picture of all layers. */
const layerScale = 4;
const layersAcross = 6;

/** @param folder name of the pictures' folder, as seen from the Markdown file */
export async function renderMarkdown(
  content: RunContent,
  pictures: ReportPictures | undefined,
  traceName: string,
  folder: string,
): Promise<MarkdownReport> {
  const { metadata } = content;
  const files = new Map<string, Uint8Array>();
  const place = (name: string): string => `${encodeURIComponent(folder).replace(/[()']/g, percentCode)}/${name}`;
  const parts = [
    `# Where ${inline(metadata.model.name)} looked in ${inline(metadata.image.name)}`,
    inline(summaryLine(metadata)),
    `**Question** ${inline(metadata.prompt.question)}`,
    `**Answer** ${metadata.answer === '' ? '(nothing)' : inline(metadata.answer)}`,
    `> ${inline(cautions(metadata).join(' '))}`,
  ];
  if (pictures && content.answer) {
    files.set(stillName, pictures.still.bytes);
    files.set(layersName, await layerSheet(content, pictures.layers));
    parts.push(...figures(content, place), '## Token by token', tokenTable(content), '## What every layer read from');
    parts.push(massTable(content));
  }
  const facts = runFacts(metadata, traceName).map(({ label, value }) => `| ${label} | ${inline(value)} |`);
  parts.push('## How it was made', ['| | |', '| --- | --- |', ...facts].join('\n'));
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

function figures({ answer, metadata, masses }: RunContent, place: (name: string) => string): string[] {
  const { layer, answerTokens, maps } = answer!;
  const map = maps[layer]!;
  const { columns } = metadata.visual.grid;
  const peak = map.indexOf(maximumOf(map));
  const share = masses[layer]![massGroups.indexOf('image')]!;
  return [
    '## Where it looked: the whole answer',
    `![Attention of the answer on the image](${place(stillName)})`,
    `Layer D${layer}, mean of ${metadata.model.decoder.heads} heads and ${answerTokens} answer tokens: 0 (light) to ` +
      `${probability(maximumOf(map))} (dark), probability per patch. Peak at row ${Math.floor(peak / columns)}, column ` +
      `${peak % columns}, framed. ${percent(share)} of this attention is on the image.`,
    `![The same in every decoder layer](${place(layersName)})`,
    `The same mean in all ${maps.length} decoder layers, ${Math.min(layersAcross, maps.length)} a line from D0 on, each to its ` +
      `own maximum: ${maps.map((one, index) => `D${index} ${probability(maximumOf(one))}`).join(', ')}.`,
  ];
}

/** All layers' maps in one picture, lines of six. */
async function layerSheet({ metadata }: RunContent, layers: readonly Uint8Array[]): Promise<Uint8Array> {
  const { grid } = metadata.visual;
  const [width, height, gap] = [grid.columns * layerScale, grid.rows * layerScale, 8];
  const tiles = await Promise.all(
    layers.map(async (bytes, index) => ({
      input: await sharp(bytes).resize(width, height, { kernel: 'nearest' }).png().toBuffer(),
      left: gap + (index % layersAcross) * (width + gap),
      top: gap + Math.floor(index / layersAcross) * (height + gap),
    })),
  );
  const across = Math.min(layersAcross, layers.length);
  const down = Math.ceil(layers.length / layersAcross);
  const size = { width: gap + across * (width + gap), height: gap + down * (height + gap) };
  return sharp({ create: { ...size, channels: 3, background: '#dddddd' } })
    .composite(tiles)
    .png()
    .toBuffer();
}

function tokenTable({ metadata, tokens, answer }: RunContent): string {
  const lines = tokens.map(({ token, imageShare }, index) => {
    const { id, text, logprob, alternatives = [] } = metadata.tokens[token]!;
    const others = alternatives
      .filter(other => other.id !== id)
      .map(other => `${inline(visibleToken(other.text))} ${escapeHtml(tokenProbability(other.logprob))}`);
    const chance = logprob === undefined ? '' : escapeHtml(tokenProbability(logprob));
    return `| ${index + 1} | ${inline(visibleToken(text))} | ${chance} | ${escapeHtml(percent(imageShare))} | ${others.join(', ')} |`;
  });
  return [
    `| # | token | probability | on image (D${answer!.layer}) | most probable others |`,
    '| --: | --- | --: | --: | --- |',
    ...lines,
  ].join('\n');
}

function massTable({ masses }: RunContent): string {
  const lines = masses.map((layer, index) => {
    const shares = groupOrder.map(group => escapeHtml(percent(layer[massGroups.indexOf(group)]!)));
    return `| D${index} | ${shares.join(' | ')} |`;
  });
  const names = groupOrder.map(group => inline(groupNames[group]));
  return [`| layer | ${names.join(' | ')} |`, `| --- |${' --: |'.repeat(groupOrder.length)}`, ...lines].join('\n');
}
