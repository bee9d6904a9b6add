/** What a trace, or a report that was made of it, says of the runs in it. */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { embeddedTraceId, type EmbeddedTrace } from '../../trace/embedding.ts';
import { evaluationKind } from '../../trace/evaluation/evaluation.ts';
import { openEvaluationFile, openTraceFile, openTrafficFile, traceFileKind } from '../../trace/file.ts';
import { metadataKey, traceExtension, type RunMetadata } from '../../trace/schema.ts';
import type { TrafficMetadata } from '../../trace/traffic/metadata.ts';
import { parseTrafficMetadata } from '../../trace/traffic/validation.ts';
import { parseMetadata } from '../../trace/validation.ts';
import { FoveaError } from '../errors.ts';
import { cannotOpen, openForReport } from './open-trace.ts';
import { methodWords } from './run-facts.ts';
import { embeddedEvaluation, reportedEvaluation, type SavedEvaluation } from './saved-evaluation.ts';

const kinds =
  'Name a trace (*.fovea), or a report of format html or json. Others state under “Again” the command line to run.';

export interface SavedRun {
  /** As the report calls it: "B MustDrop (code): scene.fovea". */
  readonly name: string;
  readonly metadata: RunMetadata;
}

/** Of a comparison, all of its runs, in order; of a run, that one. */
export type SavedReport =
  | { readonly kind: 'runs'; readonly runs: readonly SavedRun[] }
  | { readonly kind: 'traffic'; readonly metadata: TrafficMetadata }
  | { readonly kind: 'evaluation'; readonly evaluation: SavedEvaluation };

/** @throws FoveaError `disk`, `usage`; TraceError for a description that is damaged or of a newer version */
export async function readSavedReport(path: string): Promise<SavedReport> {
  switch (extname(path).toLowerCase()) {
    case traceExtension:
      return readTrace(path);
    case '.html':
    case '.htm':
      return readPage(path, await textOf(path));
    case '.json':
      return readNumbers(path, await textOf(path));
    default:
      throw new FoveaError('usage', `${path} is neither a trace nor a report that holds its run.`, kinds);
  }
}

async function readTrace(path: string): Promise<SavedReport> {
  const kind = await openForReport(path, traceFileKind);
  if (kind === 'traffic') {
    const trace = await openForReport(path, openTrafficFile);
    await trace.close();
    return { kind, metadata: trace.metadata };
  }
  if (kind === 'evaluation') {
    const trace = await openForReport(path, openEvaluationFile);
    try {
      return { kind, evaluation: await trace.evaluation() };
    } finally {
      await trace.close();
    }
  }
  const trace = await openForReport(path, openTraceFile);
  await trace.close();
  return { kind: 'runs', runs: [{ name: path, metadata: trace.metadata }] };
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw cannotOpen(path, error);
  }
}

async function readPage(path: string, page: string): Promise<SavedReport> {
  const found = embedded(path, page);
  const [first] = found;
  if (isObject(first?.metadata) && first.metadata['kind'] === evaluationKind)
    return { kind: evaluationKind, evaluation: await embeddedEvaluation(first as EmbeddedTrace, page) };
  return described(path, found);
}

function readNumbers(path: string, json: string): SavedReport {
  const report = parsed(path, json);
  return isObject(report) && report['kind'] === evaluationKind
    ? { kind: evaluationKind, evaluation: reportedEvaluation(report) }
    : described(path, reported(path, report));
}

interface Described {
  readonly name?: unknown;
  readonly metadata: unknown;
}

/** A JSON block is written by `scriptJson`, so that the next "<" ends it. */
function embedded(path: string, page: string): Described[] {
  const found: Described[] = [];
  for (;;) {
    const start = `<script type="application/json" id="${embeddedTraceId(found.length)}">`;
    const from = page.indexOf(start);
    const end = page.indexOf('<', from + start.length);
    if (from < 0 || end < 0) return found;
    found.push(descriptionIn(path, parsed(path, page.slice(from + start.length, end))));
  }
}

/** A report of several runs lists them; that of one is its own description. */
function reported(path: string, report: unknown): Described[] {
  if (!isObject(report)) throw holdsNone(path);
  if (report['kind'] === 'traffic') return [{ metadata: report }];
  if (!Array.isArray(report['runs'])) return [descriptionIn(path, report)];
  return (report['runs'] as unknown[]).map(run => {
    const { metadata } = descriptionIn(path, run);
    const { letter, trace } = run as { readonly letter?: unknown; readonly trace?: { readonly name?: unknown } };
    return { metadata, name: `${String(letter)} ${methodWords(runOf(metadata))}: ${String(trace?.name)}` };
  });
}

function descriptionIn(path: string, value: unknown): Described {
  if (!isObject(value) || !('metadata' in value)) throw holdsNone(path);
  return { ...value, metadata: value['metadata'] };
}

function parsed(path: string, json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw holdsNone(path, error);
  }
}

function described(path: string, found: readonly Described[]): SavedReport {
  const [first] = found;
  if (!first) throw holdsNone(path);
  const kind = isObject(first.metadata) ? first.metadata['kind'] : undefined;
  if (kind === 'traffic')
    return { kind, metadata: parseTrafficMetadata({ [metadataKey]: JSON.stringify(first.metadata) }) };
  return {
    kind: 'runs',
    runs: found.map(({ name, metadata }) => ({
      name: typeof name === 'string' ? name : path,
      metadata: runOf(metadata),
    })),
  };
}

const runOf = (metadata: unknown): RunMetadata => parseMetadata({ [metadataKey]: JSON.stringify(metadata) });

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

const holdsNone = (path: string, cause?: unknown): FoveaError =>
  new FoveaError('disk', `${path} holds no run of Fovea.`, kinds, { cause });
