/** `fovea analyze`: one run, from the command line to the terminal. */
import { openTraceFile } from '../../trace/file.ts';
import { type Analysis, Pipeline } from '../analysis/pipeline.ts';
import { keptPatches } from '../report/kinds/kept-patches.ts';
import { parseAnalyzeOptions } from './analyze-options.ts';
import { summarizeAttention } from './attention-summary.ts';
import type { CommandContext } from './command.ts';
import { exitCodes } from './exit-codes.ts';
import { analyzeHelp } from './help.ts';
import { jsonResult } from './json-result.ts';
import { ProgressLine } from './progress-line.ts';
import { renderReport } from './report.ts';
import { colourDepth, columnsOf, TextStyle } from './terminal.ts';
import { reserveTrace } from './trace-name.ts';

/** @returns exit code; @throws FoveaError, TraceError */
export async function analyzeCommand(words: readonly string[], context: CommandContext): Promise<number> {
  const { request, traceNamed, json, help } = parseAnalyzeOptions(words);
  if (help) {
    context.stdout.write(analyzeHelp);
    return exitCodes.ok;
  }
  const reserved = traceNamed ? undefined : await reserveTrace(request.tracePath);
  const tracePath = reserved?.path ?? request.tracePath;
  const pipeline = new Pipeline();
  const style = new TextStyle(colourDepth(context.stderr, context.environment) > 1);
  const line = new ProgressLine(context.stderr, style);
  let analysis: Analysis;
  try {
    analysis = await pipeline.analyze(
      { ...request, tracePath },
      {
        signal: context.signal,
        progress: progress => {
          line.show(progress);
        },
      },
    );
  } finally {
    line.clear();
    await pipeline.release();
    await reserved?.release();
  }
  context.stdout.write(json ? `${JSON.stringify(jsonResult(analysis))}\n` : await report(analysis, context));
  return analysis.state === 'cancelled' ? exitCodes.cancelled : exitCodes.ok;
}

async function report(analysis: Analysis, { stdout, environment }: CommandContext): Promise<string> {
  const trace = await openTraceFile(analysis.tracePath);
  try {
    const depth = colourDepth(stdout, environment);
    const { data: input } = await trace.slice('image.input');
    return renderReport({
      analysis,
      summary: await summarizeAttention(trace),
      kept: await keptPatches(trace),
      input,
      columns: columnsOf(stdout),
      depth,
      style: new TextStyle(depth > 1),
    });
  } finally {
    await trace.close();
  }
}
