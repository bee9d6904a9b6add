/** A finished run as the terminal shows it. */
import type { Analysis } from '../analysis/pipeline.ts';
import type { TraceToken } from '../../trace/schema.ts';
import type { AttentionSummary } from './attention-summary.ts';
import { drawPicture, drawShades, heatPicture, magma, shrink } from './half-blocks.ts';
import { crossAttentionText } from './cross-attention-text.ts';
import { highResolutionText } from './high-resolution-text.ts';
import { methodLines } from './method-summary.ts';
import { colourParameters, type ColourDepth, displayWidth, printable, type TextStyle, wrapText } from './terminal.ts';

export interface ReportParts {
  readonly analysis: Analysis;
  readonly summary: AttentionSummary | undefined;
  /** [patches], 1 where a patch is part of a visual token after the last stage of the method. */
  readonly kept: Uint8Array;
  /** [height, width, 3] of `image.input`. */
  readonly input: Uint8Array;
  readonly columns: number;
  readonly depth: ColourDepth;
  readonly style: TextStyle;
}

const margin = '  ';
const labelWidth = 10;
const gap = 3;
/** Keeps a number and its unit on one line. */
const fixedSpace = '\u00a0';

export function renderReport(parts: ReportParts): string {
  const method = methodLines(parts.analysis.metadata, parts.kept, parts.columns - margin.length);
  const sections = [
    question(parts),
    ...(parts.summary ? [pictures(parts, parts.summary)] : []),
    ...(method.length > 0 ? [method] : []),
    tokens(parts),
    facts(parts),
  ];
  return `\n${sections.map(lines => lines.map(line => (line === '' ? '' : margin + line)).join('\n')).join('\n\n')}\n\n`;
}

/** "Label     text", wrapped under the text. */
function labelled(
  label: string,
  text: string,
  { columns, style }: ReportParts,
  paint = (line: string) => line,
): string[] {
  const width = columns - margin.length - labelWidth;
  return wrapText(text, width).map(
    (line, index) => style.dim((index === 0 ? label : '').padEnd(labelWidth)) + paint(line),
  );
}

function question(parts: ReportParts): string[] {
  const { metadata } = parts.analysis;
  const { style } = parts;
  const lines = [
    ...labelled('Question', printable(metadata.prompt.question), parts),
    ...labelled('Answer', metadata.answer === '' ? '(nothing)' : printable(metadata.answer), parts, style.bold),
  ];
  if (metadata.status.state === 'cancelled') {
    lines.push(...labelled('', `Cancelled after ${metadata.status.after}.`, parts, style.yellow));
  } else if (metadata.generation.stop === 'length') {
    const limit = `Stopped at ${metadata.generation.maxNewTokens} tokens; --max-new-tokens allows more.`;
    lines.push(...labelled('', limit, parts, style.yellow));
  }
  if (metadata.model.bundled) {
    const caveat =
      'fovea-tiny knows rendered scenes only; on photographs its answers are confident nonsense. Another model: --model DIR';
    lines.push(...labelled('', caveat, parts, style.yellow));
  }
  return lines;
}

/** What the model saw, and beside it where it looked. */
function pictures(parts: ReportParts, summary: AttentionSummary): string[] {
  const { metadata } = parts.analysis;
  const { grid } = metadata.visual;
  const caption = [
    `Where decoder layer ${summary.layer} looked, the one that singles out parts of the image most:`,
    `its attention in the mean of ${count(metadata.model.decoder.heads, 'head')} and ${count(summary.answerTokens, 'answer token')}, one square a patch.`,
    `${percent(summary.imageShare)} of it is on the image.`,
  ].join(' ');
  const room = parts.columns - margin.length;
  const text = wrapText(caption, Math.min(room, 100)).map(parts.style.dim);
  if (parts.depth === 1) {
    if (grid.columns * 2 > room) return text;
    const scale = `" " 0   "░▒▓█" up to ${significant(summary.maximum)}`;
    return [...drawShades(summary.map, grid.columns, summary.maximum), scale, ...text];
  }
  const { depth } = parts;
  const scale = [3, 2, 1].find(factor => 2 * grid.columns * factor + gap <= room && grid.rows * factor <= 60);
  if (scale === undefined) return text;
  const [width, height] = [grid.columns * scale, grid.rows * scale];
  const seen = drawPicture(shrink(parts.input, metadata.image.input, width, height), depth);
  const heat = drawPicture(heatPicture(summary.map, grid.columns, summary.maximum, scale), depth);
  const size = `${metadata.image.input.width} × ${metadata.image.input.height}`;
  const label = [`what the model saw, ${size}`, 'what the model saw', ''].find(words => words.length <= width)!;
  return [
    ...seen.map((line, index) => line + ' '.repeat(gap) + heat[index]!),
    parts.style.dim(label.padEnd(width + gap)) + legend(summary.maximum, width, depth, parts.style),
    '',
    ...text,
  ];
}

/** The ramp from 0 to the maximum, as wide as the map. */
function legend(maximum: number, width: number, depth: 8 | 24, style: TextStyle): string {
  const end = ` ${significant(maximum)}`;
  const cells = width - 2 - end.length;
  if (cells < 4) return style.dim(`0 to${end}`);
  const ramp = Array.from({ length: cells }, (_, index) => {
    const colour = colourParameters(magma(index / (cells - 1)), depth);
    return `\u001b[48;${colour}m `;
  });
  return `${style.dim('0 ')}${ramp.join('')}\u001b[0m${style.dim(end)}`;
}

/** Every token above its probability; improbable ones stand out. */
function tokens({ analysis: { metadata }, columns, style }: ReportParts): string[] {
  const lines: string[] = [];
  const width = columns - margin.length - labelWidth;
  let upper = '';
  let lower = '';
  const flush = (): void => {
    const label = lines.length === 0 ? 'Tokens' : '';
    lines.push(style.dim(label.padEnd(labelWidth)) + upper, style.dim(''.padEnd(labelWidth)) + lower);
    upper = '';
    lower = '';
  };
  for (const token of metadata.tokens.slice(metadata.promptTokens)) {
    const name = tokenName(token);
    const probability = Math.exp(token.logprob ?? 0);
    const value = probability > 0.995 ? '1.0' : probability.toFixed(2);
    const cell = Math.max(displayWidth(name), value.length) + 1;
    if (displayWidth(upper) + cell > width) flush();
    upper += name + ' '.repeat(cell - displayWidth(name));
    lower += (probability < 0.5 ? style.yellow : style.dim)(value) + ' '.repeat(cell - value.length);
  }
  if (upper !== '') flush();
  return lines;
}

function tokenName({ text }: TraceToken): string {
  const shown = printable(text.trim() === '' ? text : text.trim());
  return shown === '' ? '…' : shown.replace(/^ +$/, '␣');
}

function facts(parts: ReportParts): string[] {
  const { analysis, style } = parts;
  const { metadata, tracePath, traceBytes } = analysis;
  const { ms, engine, model } = metadata;
  const steps = metadata.tokens.length - metadata.promptTokens - 1;
  const times = [
    ms.load > 0 ? `load ${duration(ms.load)}` : 'weights were loaded',
    `vision ${duration(ms.vision)}`,
    ...(ms.solve === undefined ? [] : [`finding parameters for the budget ${duration(ms.solve)}`]),
    `prefill ${duration(ms.prefill)} for ${prefillTokens(metadata)} tokens`,
    steps > 0 ? `decode ${duration(ms.decode)}, ${duration(ms.decode / steps)} a token` : '',
    `total ${duration(ms.total)}`,
  ].filter(part => part !== '');
  const notes = metadata.image.notes.length > 0 ? `; ${metadata.image.notes.join('; ')}` : '';
  const image = `${metadata.image.name}, ${metadata.image.width} × ${metadata.image.height}${notes}`;
  const threads = engine.device === 'cpu' ? `, ${count(engine.threads, 'thread')}` : '';
  return [
    ...labelled('Image', printable(image), parts),
    ...labelled(
      'Model',
      `${model.name}, ${(model.parameters / 1e6).toFixed(0)} million parameters, on ${engine.device}${threads}`,
      parts,
    ),
    ...labelled('Time', times.join('; '), parts),
    ...(metadata.highResolution ? labelled('Closer', highResolutionText(metadata.highResolution), parts) : []),
    ...(metadata.crossAttention
      ? labelled('Cross', printable(crossAttentionText(metadata.crossAttention)), parts)
      : []),
    style.dim('Trace'.padEnd(labelWidth)) + tracePath + style.dim(` (${(traceBytes / 1e6).toFixed(1)} MB)`),
    style.dim(`${''.padEnd(labelWidth)}VS Code with Fovea: code ${quoted(tracePath)}`),
    style.dim(`${''.padEnd(labelWidth)}Python: safetensors.numpy.load_file(${JSON.stringify(tracePath)})`),
  ];
}

/** Entering the first decoder layer. */
function prefillTokens({ promptTokens, visual, reduction }: Analysis['metadata']): number {
  return reduction?.layers[0]?.sequence ?? promptTokens + visual.count;
}

function quoted(path: string): string {
  return /^[\w./:\\~-]+$/.test(path) ? path : `"${path}"`;
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? '' : 's'}`;
}

function duration(milliseconds: number): string {
  return milliseconds < 1000
    ? `${milliseconds.toFixed(0)}${fixedSpace}ms`
    : `${(milliseconds / 1000).toFixed(2)}${fixedSpace}s`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)}${fixedSpace}%`;
}

function significant(value: number): string {
  return value === 0 ? '0' : value < 0.0001 ? value.toExponential(1) : Number(value.toPrecision(2)).toString();
}
