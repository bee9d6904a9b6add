/** The description of a run, from its trace or from a report that was made of it. */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { embeddedTraceId } from '../../trace/embedding.ts';
import { openTraceFile } from '../../trace/file.ts';
import { metadataKey, traceExtension, type RunMetadata } from '../../trace/schema.ts';
import { parseMetadata } from '../../trace/validation.ts';
import { FoveaError } from '../errors.ts';
import { cannotOpen, openForReport } from './open-trace.ts';

const kinds = 'Name a trace (*.fovea), or a report of format html or json.';

/**
 * @param which of a report of several runs, counted from 1
 * @throws FoveaError `disk`, `usage`; TraceError for a description that is damaged or of a newer version
 */
export async function readSavedRun(path: string, which?: number): Promise<RunMetadata> {
  const ending = extname(path).toLowerCase();
  switch (ending) {
    case traceExtension: {
      const trace = await openForReport(path, openTraceFile);
      await trace.close();
      return trace.metadata;
    }
    case '.html':
    case '.htm':
      return chosen(path, embeddedRuns(path, await textOf(path)), which);
    case '.json':
      return chosen(path, reportedRuns(path, await textOf(path)), which);
    default:
      throw new FoveaError('usage', `${path} is neither a trace nor a report that holds its run.`, kinds);
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw cannotOpen(path, error);
  }
}

/** A JSON block is written by `scriptJson`, so that the next "<" ends it. */
function embeddedRuns(path: string, page: string): unknown[] {
  const runs: unknown[] = [];
  for (;;) {
    const start = `<script type="application/json" id="${embeddedTraceId(runs.length)}">`;
    const from = page.indexOf(start);
    const end = page.indexOf('<', from + start.length);
    if (from < 0 || end < 0) return runs;
    runs.push(parsed(path, page.slice(from + start.length, end)));
  }
}

/** A report of several runs lists them; that of one is its own description. */
function reportedRuns(path: string, json: string): unknown[] {
  const report = parsed(path, json);
  return isObject(report) && Array.isArray(report['runs']) ? (report['runs'] as unknown[]) : [report];
}

function parsed(path: string, json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw noRun(path, error);
  }
}

function chosen(path: string, runs: readonly unknown[], which: number | undefined): RunMetadata {
  if (runs.length > 1 && which === undefined)
    throw new FoveaError('usage', `${path} holds ${runs.length} runs.`, `Choose one: --run 1 to --run ${runs.length}.`);
  const run = runs[(which ?? 1) - 1];
  if (which !== undefined && runs.length > 0 && run === undefined)
    throw new FoveaError('usage', `${path} has no run ${which}.`, `It holds ${runs.length}.`);
  if (!isObject(run) || !('metadata' in run)) throw noRun(path);
  return parseMetadata({ [metadataKey]: JSON.stringify(run['metadata']) });
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

const noRun = (path: string, cause?: unknown): FoveaError =>
  new FoveaError('disk', `${path} holds no run of Fovea.`, kinds, { cause });
