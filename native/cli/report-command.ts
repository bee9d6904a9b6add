/** `fovea report`: runs as a document for others. */
import { megabytes } from '../report/numbers.ts';
import { writeReport } from '../report/write-report.ts';
import type { CommandContext } from './command.ts';
import { exitCodes } from './exit-codes.ts';
import { reportHelp } from './help.ts';
import { parseReportOptions } from './report-options.ts';
import { printable } from './terminal.ts';

/** @returns exit code; @throws FoveaError, TraceError */
export async function reportCommand(words: readonly string[], { stdout, signal }: CommandContext): Promise<number> {
  const options = parseReportOptions(words);
  if (!options) {
    stdout.write(reportHelp);
    return exitCodes.ok;
  }
  const { files, bytes } = await writeReport(options.order, signal);
  if (options.json) stdout.write(`${JSON.stringify({ files, bytes, format: options.order.format })}\n`);
  else stdout.write(`${files.map(printable).join('\n')}\n${megabytes(bytes)} in all\n`);
  return exitCodes.ok;
}
