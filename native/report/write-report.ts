/** Composition root of a report: from a trace on disk to files on disk. */
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, extname, join, resolve } from 'node:path';
import type { TraceReader } from '../../trace/reader.ts';
import { traceExtension } from '../../trace/schema.ts';
import { FoveaError } from '../errors.ts';
import type { ReportFormat, ReportRequest, ReportResult } from '../rpc.ts';
import { packRun } from './embedded-trace.ts';
import { renderHtml } from './html-report.ts';
import { renderMarkdown } from './markdown-report.ts';
import { massesCsv, renderJson, tokensCsv } from './number-report.ts';
import { openForReport } from './open-trace.ts';
import { readPageAssets } from './page-assets.ts';
import { printPdf } from './print-pdf.ts';
import { drawPictures } from './report-pictures.ts';
import { readContent, type RunContent } from './run-content.ts';

/** Characters of a whole HTML report that a usual run stays under with exact numbers. */
const usualReport = 4_900_000;

/** @throws FoveaError `disk`, TraceError */
export async function writeReport(order: ReportRequest): Promise<ReportResult> {
  const [tracePath, outPath] = [resolve(order.tracePath), resolve(order.outPath)];
  if (extname(outPath) === traceExtension)
    throw new FoveaError('usage', `${outPath} would be a trace.`, `Name a file that ends in .${order.format}.`);
  const trace = await openForReport(tracePath);
  try {
    const { size } = await stat(tracePath);
    const job = { trace, traceName: basename(tracePath), traceBytes: size, content: await readContent(trace), outPath };
    return await writers[order.format](job);
  } finally {
    await trace.close();
  }
}

interface Job {
  readonly trace: TraceReader;
  readonly traceName: string;
  readonly traceBytes: number;
  readonly content: RunContent;
  readonly outPath: string;
}

const writers: Readonly<Record<ReportFormat, (job: Job) => Promise<ReportResult>>> = {
  async html({ trace, outPath, ...job }) {
    const parts = { ...job, pictures: await drawPictures(job.content), assets: await readPageAssets() };
    const withoutRun = renderHtml(parts).length + parts.assets.script.length;
    return writeAll([[outPath, renderHtml({ ...parts, packed: await packRun(trace, usualReport - withoutRun) })]]);
  },
  async pdf({ outPath, ...job }) {
    const parts = { ...job, pictures: await drawPictures(job.content), assets: await readPageAssets() };
    return writeAll([[outPath, await printPdf(renderHtml(parts), process.env)]]);
  },
  async md({ content, traceName, outPath }) {
    const folder = `${withoutEnding(outPath)}-images`;
    const pictures = await drawPictures(content, true);
    const report = await renderMarkdown(content, pictures, traceName, basename(folder));
    if (report.pictures.size > 0) await mkdir(folder, { recursive: true }).catch(cannotWrite(folder));
    const files = [...report.pictures].map(([name, bytes]) => [join(folder, name), bytes] as const);
    return writeAll([[outPath, report.text], ...files]);
  },
  json: ({ content, traceName, traceBytes, outPath }) =>
    writeAll([[outPath, renderJson(content, { name: traceName, bytes: traceBytes })]]),
  csv: ({ content, outPath }) =>
    writeAll([
      [outPath, tokensCsv(content)],
      [`${withoutEnding(outPath)}-masses.csv`, massesCsv(content)],
    ]),
};

const withoutEnding = (path: string): string => path.slice(0, path.length - extname(path).length);

/** Each under another name first, so that a failure leaves no half file. @throws FoveaError `disk` */
async function writeAll(
  files: readonly (readonly [path: string, content: string | Uint8Array])[],
): Promise<ReportResult> {
  let bytes = 0;
  for (const [path, content] of files) {
    const partial = `${path}.partial`;
    try {
      await writeFile(partial, content);
      await rename(partial, path);
    } catch (error) {
      await rm(partial, { force: true }).catch(() => undefined);
      cannotWrite(path)(error);
    }
    bytes += Buffer.byteLength(content);
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
