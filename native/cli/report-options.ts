/** The command line of `fovea report`, understood and checked. */
import { extname } from 'node:path';
import { parseArgs } from 'node:util';
import { traceExtension } from '../../trace/schema.ts';
import { FoveaError } from '../errors.ts';
import { reportFormats, type ReportFormat, type ReportRequest } from '../rpc.ts';

export interface ReportOptions {
  readonly order: ReportRequest;
  readonly json: boolean;
}

const formatOf: Readonly<Record<string, ReportFormat>> = { '.htm': 'html', '.markdown': 'md' };

/** @returns undefined when only help is asked for; @throws FoveaError `usage` */
export function parseReportOptions(words: readonly string[]): ReportOptions | undefined {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      out: { type: 'string', short: 'o' },
      format: { type: 'string', short: 'f' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return undefined;
  const [first] = positionals;
  if (first === undefined) throw new FoveaError('usage', 'No trace is named.', 'For example: fovea report run.fovea');
  const format = chooseFormat(values.format, values.out);
  const stem = extname(first) === traceExtension ? first.slice(0, -traceExtension.length) : first;
  const several = positionals.length > 1 ? '-comparison' : '';
  const outPath = values.out ?? `${stem}${several}.${format}`;
  return { order: { sources: positionals, outPath, format }, json: values.json ?? false };
}

function chooseFormat(named: string | undefined, out: string | undefined): ReportFormat {
  const known = reportFormats.join(', ');
  if (named !== undefined) {
    const format = reportFormats.find(one => one === named.toLowerCase());
    if (!format) throw new FoveaError('usage', `There is no format "${named}".`, `Formats: ${known}.`);
    return format;
  }
  if (out === undefined) return 'html';
  const ending = extname(out).toLowerCase();
  const format = formatOf[ending] ?? reportFormats.find(one => `.${one}` === ending);
  if (!format)
    throw new FoveaError('usage', `The ending of ${out} names no format.`, `Add --format, one of: ${known}.`);
  return format;
}
