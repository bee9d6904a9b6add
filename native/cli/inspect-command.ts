/** `fovea inspect`: what a trace contains, and whether its numbers add up. */
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openTraceFile, traceFileKind } from '../../trace/file.ts';
import type { TraceReader } from '../../trace/reader.ts';
import { dtypeBytes } from '../../trace/safetensors.ts';
import { type RunMetadata, type TensorName, tensorSpecs } from '../../trace/schema.ts';
import { FoveaError } from '../errors.ts';
import type { CommandContext } from './command.ts';
import { exitCodes } from './exit-codes.ts';
import { crossAttentionText } from './cross-attention-text.ts';
import { highResolutionText } from './high-resolution-text.ts';
import { inspectHelp } from './help.ts';
import { inspectTraffic } from './inspect-traffic.ts';
import { colourDepth, columnsOf, printable, TextStyle, wrapText } from './terminal.ts';
import { checkTrace, presentTensors, type SumCheck, type TensorRange, type TraceNumbers } from './trace-check.ts';

/** @returns exit code; @throws FoveaError, TraceError */
export async function inspectCommand(words: readonly string[], context: CommandContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    context.stdout.write(inspectHelp);
    return exitCodes.ok;
  }
  const [path, more] = positionals;
  if (path === undefined) throw new FoveaError('usage', 'No trace is named.', 'For example: fovea inspect run.fovea');
  if (more !== undefined) throw new FoveaError('usage', `"${more}" is one word too many.`, 'Name one trace.');

  if ((await readable(path, traceFileKind)) === 'traffic') return inspectTraffic(path, values.json ?? false, context);
  const trace = await readable(path, openTraceFile);
  try {
    const numbers = await checkTrace(trace);
    const description = values.json
      ? `${JSON.stringify(jsonDescription(trace, numbers))}\n`
      : await textDescription(path, trace, numbers, context);
    context.stdout.write(description);
    return numbers.ok ? exitCodes.ok : exitCodes.file;
  } finally {
    await trace.close();
  }
}

async function readable<Opened>(path: string, open: (path: string) => Promise<Opened>): Promise<Opened> {
  try {
    return await open(path);
  } catch (error) {
    const code = error instanceof Error && 'syscall' in error && 'code' in error ? String(error.code) : undefined;
    if (code === undefined) throw error;
    const problem = { ENOENT: 'there is no such file', EISDIR: 'it is a folder', EACCES: 'you may not read it' }[code];
    throw new FoveaError('disk', `${path} cannot be opened: ${problem ?? code}.`, 'Check the path.', { cause: error });
  }
}

interface TensorLine extends TensorRange {
  readonly name: TensorName;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly unit: string;
  readonly bytes: number;
  readonly meaning: string;
}

function tensorLines(trace: TraceReader, { ranges }: TraceNumbers): TensorLine[] {
  return presentTensors(trace).map(name => {
    const { dtype, shape } = trace.tensors[name]!;
    const { unit, meaning } = tensorSpecs[name];
    const bytes = shape.reduce((product, size) => product * size, dtypeBytes[dtype]);
    return { name, dtype, shape, unit, bytes, meaning, ...ranges.get(name)! };
  });
}

function jsonDescription(trace: TraceReader, numbers: TraceNumbers): object {
  return {
    metadata: trace.metadata,
    tensors: tensorLines(trace, numbers),
    checks: numbers.checks,
    ok: numbers.ok,
  };
}

const margin = '  ';
const labelWidth = 10;

async function textDescription(
  path: string,
  trace: TraceReader,
  numbers: TraceNumbers,
  { stdout, environment }: CommandContext,
): Promise<string> {
  const style = new TextStyle(colourDepth(stdout, environment) > 1);
  const columns = columnsOf(stdout);
  const { size } = await stat(path);
  const lines = ['', style.bold(basename(path)) + style.dim(` ${resolve(path)}, ${megabytes(size)}`), ''];
  for (const [label, text] of runFacts(trace.metadata)) {
    wrapText(printable(text), columns - margin.length - labelWidth).forEach((line, index) => {
      lines.push(style.dim((index === 0 ? label : '').padEnd(labelWidth)) + line);
    });
  }
  lines.push('');
  for (const tensor of tensorLines(trace, numbers)) lines.push(...describeTensor(tensor, columns, style));
  lines.push('', ...numbers.checks.map(check => describeCheck(check, style)));
  if (!numbers.ok) lines.push('', style.red('The numbers of this trace are not what they claim to be.'));
  return `${lines.map(line => (line === '' ? '' : margin + line)).join('\n')}\n\n`;
}

function runFacts(metadata: RunMetadata): (readonly [label: string, text: string])[] {
  const { model, image, engine, visual, tokens, promptTokens, generation, ms, status } = metadata;
  const { sampling } = generation;
  const how =
    sampling.mode === 'greedy'
      ? 'greedy'
      : `temperature ${sampling.temperature}, top-p ${sampling.topP}, seed ${sampling.seed}`;
  const state = status.state === 'cancelled' ? `cancelled after ${status.after}` : generation.stop;
  return [
    ['Question', metadata.prompt.question],
    ['Answer', metadata.answer === '' ? '(nothing)' : metadata.answer],
    ['Image', [`${image.name}, ${image.width} × ${image.height}`, ...image.notes].join('; ')],
    [
      'Model',
      `${model.name}: ${model.decoder.layers} decoder layers of ${model.decoder.heads} heads, ${model.vision.layers} vision layers of ${model.vision.heads}; ${model.storedPrecision} on disk`,
    ],
    [
      'Engine',
      `${engine.name} ${engine.version} on ${engine.device}, ${engine.hardware}; arithmetic ${engine.arithmetic}`,
    ],
    [
      'Tokens',
      `${promptTokens} of text and ${visual.count} of the image (${visual.grid.rows} × ${visual.grid.columns}) in the prompt, ${tokens.length - promptTokens} generated; ${how}; ${state}`,
    ],
    [
      'Time',
      `load ${ms.load.toFixed(0)} ms, vision ${ms.vision.toFixed(0)} ms, prefill ${ms.prefill.toFixed(0)} ms, decode ${ms.decode.toFixed(0)} ms, total ${ms.total.toFixed(0)} ms`,
    ],
    ...methodFacts(metadata),
    ['Made', `${metadata.created} by ${metadata.producer.name} ${metadata.producer.version}, run ${metadata.id}`],
  ];
}

function methodFacts({
  method,
  highResolution,
  crossAttention,
}: RunMetadata): (readonly [label: string, text: string])[] {
  const facts: (readonly [string, string])[] = [];
  if (method.name !== 'none') {
    const title = method.title ?? method.name;
    const beside = method.beside ? ` beside ${method.beside.title}` : '';
    facts.push(['Method', `${title}${method.variant ? `, ${method.variant}` : ''}${beside}`]);
  }
  if (highResolution) facts.push(['Closer', highResolutionText(highResolution)]);
  if (crossAttention) facts.push(['Cross', crossAttentionText(crossAttention)]);
  return facts;
}

function describeTensor(tensor: TensorLine, columns: number, style: TextStyle): string[] {
  const { name, dtype, shape, unit, bytes, meaning, min, max, notFinite } = tensor;
  const broken = notFinite > 0 ? style.red(`; ${notFinite} not finite`) : '';
  const range = `${number(min)} to ${number(max)}`;
  const axes = tensorSpecs[name].axes.join(', ');
  return [
    `${style.bold(name)}  ${dtype} [${shape.join(', ')}]  ${style.dim(`(${axes})`)}`,
    `${labelIndent}${range}${broken}  ${style.dim(`${unit}; ${megabytes(bytes)}`)}`,
    ...wrapText(meaning, columns - margin.length - labelIndent.length).map(line => style.dim(labelIndent + line)),
  ];
}

const labelIndent = '    ';

function describeCheck({ name, largestMiss, tolerance, rows, passed }: SumCheck, style: TextStyle): string {
  const mark = passed ? style.green('✓') : style.red('✗');
  const miss = `misses by ${number(largestMiss)} at most, ${number(tolerance)} allowed`;
  return `${mark} ${name}  ${style.dim(`${rows} rows; ${miss}`)}`;
}

function number(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) < 0.001 ? value.toExponential(1) : Number(value.toPrecision(3)).toString();
}

function megabytes(bytes: number): string {
  return bytes < 100_000 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
