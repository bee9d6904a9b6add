/** The description of a run, from its trace or from a report that was made of it. */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { embeddedRunId } from '../../trace/embedding.ts';
import { metadataKey, traceExtension, type RunMetadata } from '../../trace/schema.ts';
import { parseMetadata } from '../../trace/validation.ts';
import { FoveaError } from '../errors.ts';
import { cannotOpen, openForReport } from './open-trace.ts';

const kinds = 'Name a trace (*.fovea), or a report of format html or json.';

/** @throws FoveaError `disk`, `usage`; TraceError for a description that is damaged or of a newer version */
export async function readSavedRun(path: string): Promise<RunMetadata> {
  const ending = extname(path).toLowerCase();
  switch (ending) {
    case traceExtension: {
      const trace = await openForReport(path);
      await trace.close();
      return trace.metadata;
    }
    case '.html':
    case '.htm':
      return checked(path, embeddedJson(path, await textOf(path)));
    case '.json':
      return checked(path, await textOf(path));
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

/** The JSON block is written by `scriptJson`, so that the next "<" ends it. */
function embeddedJson(path: string, page: string): string {
  const start = `<script type="application/json" id="${embeddedRunId}">`;
  const from = page.indexOf(start);
  const end = page.indexOf('<', from + start.length);
  if (from < 0 || end < 0) throw noRun(path);
  return page.slice(from + start.length, end);
}

function checked(path: string, json: string): RunMetadata {
  let report: unknown;
  try {
    report = JSON.parse(json);
  } catch (error) {
    throw noRun(path, error);
  }
  if (typeof report !== 'object' || report === null || !('metadata' in report)) throw noRun(path);
  return parseMetadata({ [metadataKey]: JSON.stringify(report.metadata) });
}

const noRun = (path: string, cause?: unknown): FoveaError =>
  new FoveaError('disk', `${path} holds no run of Fovea.`, kinds, { cause });
