/** Composition root of a report: from files on disk, through the registry of kinds, to files on disk. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import { traceExtension } from '../../trace/schema.ts';
import { FoveaError } from '../errors.ts';
import type { ReportFormat, ReportRequest, ReportResult } from '../rpc.ts';
import type { ReportDocument } from './document.ts';
import { packTrace, type PackedTrace } from './embedded-trace.ts';
import { renderCsv } from './formats/csv-report.ts';
import { renderHtml } from './formats/html-report.ts';
import { renderJson } from './formats/json-report.ts';
import { renderMarkdown } from './formats/markdown-report.ts';
import { readPageAssets } from './page-assets.ts';
import { printPdf } from './print-pdf.ts';
import { kindFor } from './registry.ts';
import { ReportSource, type BuildOptions, type ReportKind } from './report-kind.ts';

/** Characters of a whole HTML report that a usual one stays under with exact numbers. */
const usualReport = 4_900_000;

const pictures: Readonly<Record<ReportFormat, BuildOptions['pictures']>> = {
  html: 'compact',
  pdf: 'compact',
  md: 'lossless',
  json: 'none',
  csv: 'none',
};

/**
 * @param signal aborted to stop between two steps, a running print included; nothing is left behind then
 * @throws FoveaError `disk`, `usage`; TraceError; the signal's reason
 */
export async function writeReport(order: ReportRequest, signal?: AbortSignal): Promise<ReportResult> {
  const outPath = resolve(order.outPath);
  if (extname(outPath) === traceExtension)
    throw new FoveaError('usage', `${outPath} would be a trace.`, `Name a file that ends in .${order.format}.`);
  const sources: ReportSource[] = [];
  try {
    for (const path of order.sources) sources.push(await ReportSource.of(resolve(path)));
    const kind = await kindFor(sources);
    const document = await kind.build(sources, { pictures: pictures[order.format], signal });
    signal?.throwIfAborted();
    return await writers[order.format]({ document, kind: kind.id, outPath, signal });
  } finally {
    for (const source of sources) await source.close();
  }
}

interface Job {
  readonly document: ReportDocument;
  readonly kind: ReportKind['id'];
  readonly outPath: string;
  readonly signal: AbortSignal | undefined;
}

const writers: Readonly<Record<ReportFormat, (job: Job) => Promise<ReportResult>>> = {
  async html({ document, outPath, signal }) {
    const assets = await readPageAssets();
    const withoutTraces = renderHtml(document, assets, []).length + assets.script.length;
    const room = (usualReport - withoutTraces) / Math.max(1, document.traces.length);
    const packed: PackedTrace[] = [];
    for (const [index, { trace }] of document.traces.entries()) {
      packed.push(await packTrace(trace, room, index === 0 ? 'fovea' : `fovea-${index + 1}`));
      signal?.throwIfAborted();
    }
    return writeAll([[outPath, renderHtml(document, assets, packed)]], signal);
  },
  async pdf({ document, outPath, signal }) {
    const page = renderHtml(document, await readPageAssets(), []);
    return writeAll([[outPath, await printPdf(page, process.env, signal)]], signal);
  },
  async md({ document, outPath, signal }) {
    const folder = `${withoutEnding(outPath)}-images`;
    const report = await renderMarkdown(document, basename(folder));
    signal?.throwIfAborted();
    if (report.pictures.size > 0) await mkdir(folder, { recursive: true }).catch(cannotWrite(folder));
    const files = [...report.pictures].map(([name, bytes]) => [join(folder, name), bytes] as const);
    return writeAll([[outPath, report.text], ...files], signal);
  },
  json: ({ document, kind, outPath, signal }) => writeAll([[outPath, renderJson(document, kind)]], signal),
  csv: ({ document, outPath, signal }) =>
    writeAll(
      document.csv().map(table => {
        const path = table.suffix === undefined ? outPath : `${withoutEnding(outPath)}-${table.suffix}.csv`;
        return [path, renderCsv(table)] as const;
      }),
      signal,
    ),
};

const withoutEnding = (path: string): string => path.slice(0, path.length - extname(path).length);

/** All under other names first, so that a failure or Cancel leaves no half report. @throws FoveaError `disk` */
async function writeAll(
  files: readonly (readonly [path: string, content: string | Uint8Array])[],
  signal: AbortSignal | undefined,
): Promise<ReportResult> {
  let bytes = 0;
  const partial = (path: string): string => `${path}.partial`;
  try {
    for (const [path, content] of files) {
      signal?.throwIfAborted();
      await writeFile(partial(path), content).catch(cannotWrite(path));
      bytes += Buffer.byteLength(content);
    }
    signal?.throwIfAborted();
    for (const [path] of files) await rename(partial(path), path).catch(cannotWrite(path));
  } catch (error) {
    for (const [path] of files) await rm(partial(path), { force: true }).catch(() => undefined);
    throw error;
  }
  return { files: files.map(([path]) => path), bytes };
}

const cannotWrite =
  (path: string) =>
  (error: unknown): never => {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `The report cannot be written to ${path}: ${reason}.`;
    throw new FoveaError('disk', message, 'Choose another folder.', { cause: error });
  };
