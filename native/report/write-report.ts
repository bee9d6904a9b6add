/** Composition root of a report: from a trace on disk to files on disk. */
import { rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, extname, resolve } from 'node:path';
import { openTraceFile } from '../../trace/file.ts';
import type { TraceReader } from '../../trace/reader.ts';
import { traceExtension } from '../../trace/schema.ts';
import { FoveaError } from '../errors.ts';
import { packRun } from './embedded-trace.ts';
import { renderHtml } from './html-report.ts';
import { readPageAssets } from './page-assets.ts';
import { drawPictures } from './report-pictures.ts';
import { readContent } from './run-content.ts';

export const reportFormats = ['html'] as const;
export type ReportFormat = (typeof reportFormats)[number];

/** Characters of a whole HTML report that a usual run stays under with exact numbers. */
const usualReport = 4_900_000;

export interface ReportOrder {
  readonly tracePath: string;
  /** The file, or for several the one they are named after; replaced if it exists. */
  readonly outPath: string;
  readonly format: ReportFormat;
}

export interface WrittenReport {
  /** The one to open comes first. */
  readonly files: readonly string[];
  readonly bytes: number;
}

/** @throws FoveaError `disk`, TraceError */
export async function writeReport(order: ReportOrder): Promise<WrittenReport> {
  const [tracePath, outPath] = [resolve(order.tracePath), resolve(order.outPath)];
  if (extname(outPath) === traceExtension)
    throw new FoveaError('usage', `${outPath} would be a trace.`, `Name a file that ends in .${order.format}.`);
  const trace = await openForReport(tracePath);
  try {
    const traceBytes = (await stat(tracePath)).size;
    return await writeHtml(trace, { tracePath, traceBytes, outPath });
  } finally {
    await trace.close();
  }
}

interface Places {
  readonly tracePath: string;
  readonly traceBytes: number;
  readonly outPath: string;
}

async function writeHtml(trace: TraceReader, { tracePath, traceBytes, outPath }: Places): Promise<WrittenReport> {
  const content = await readContent(trace);
  const pictures = await drawPictures(content);
  const assets = await readPageAssets();
  const parts = { content, pictures, assets, traceName: basename(tracePath), traceBytes };
  const without = renderHtml(parts).length + assets.script.length;
  const page = renderHtml({ ...parts, packed: await packRun(trace, usualReport - without) });
  return { files: [outPath], bytes: await writeWhole(outPath, page) };
}

/** @throws FoveaError `disk` when there is no such file */
export async function openForReport(path: string): Promise<TraceReader> {
  try {
    return await openTraceFile(path);
  } catch (error) {
    const code = error instanceof Error && 'syscall' in error && 'code' in error ? String(error.code) : undefined;
    if (code === undefined) throw error;
    const problem = { ENOENT: 'there is no such file', EISDIR: 'it is a folder', EACCES: 'you may not read it' }[code];
    throw new FoveaError('disk', `${path} cannot be opened: ${problem ?? code}.`, 'Check the path.', { cause: error });
  }
}

/** Under another name first, so that a failure leaves no half report. @returns bytes; @throws FoveaError `disk` */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<number> {
  const partial = `${path}.partial`;
  try {
    await writeFile(partial, content);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    const reason = error instanceof Error ? error.message : String(error);
    throw new FoveaError('disk', `The report cannot be written to ${path}: ${reason}.`, 'Choose another folder.', {
      cause: error,
    });
  }
  return Buffer.byteLength(content);
}
