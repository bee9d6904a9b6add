/**
 * A kind of report: says what it can be made of and turns that into a `ReportDocument`. Every format (html, pdf, md, json,
 * csv), the command line and VS Code's Export Report… follow from that. To add one, write `kinds/NAME-report.ts` that
 * exports a `ReportKind`, and add it to `reportKinds` in `registry.ts`; nothing else needs to know it.
 *
 * `accepts` sees what was named, in order, and must be quick: look at `extension` and `traceKind()`.
 * `build` may be asked for without pictures (json, csv), and then makes none. Traces that were opened through a source stay
 * open until the report is written.
 */
import { stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import type { EvaluationReader } from '../../trace/evaluation/reader.ts';
import { openEvaluationFile, openTraceFile, openTrafficFile, traceFileKind } from '../../trace/file.ts';
import type { TraceKind } from '../../trace/kind.ts';
import type { TraceReader } from '../../trace/reader.ts';
import { traceExtension } from '../../trace/schema.ts';
import type { TrafficReader } from '../../trace/traffic/reader.ts';
import type { ReportDocument } from './document.ts';
import { cannotOpen, openForReport } from './open-trace.ts';

export interface BuildOptions {
  /** `lossless`: photographs as PNG, too; `none`: the format shows no pictures. */
  readonly pictures: 'compact' | 'lossless' | 'none';
  readonly signal: AbortSignal | undefined;
}

export interface ReportKind {
  readonly id: 'run' | 'comparison' | 'evaluation' | 'traffic';
  /** What it is made of, for messages: "one trace". */
  readonly madeOf: string;
  accepts(sources: readonly ReportSource[]): boolean | Promise<boolean>;
  build(sources: readonly ReportSource[], options: BuildOptions): Promise<ReportDocument>;
}

/** One file that a report was asked of; opened when a kind wants it. */
export class ReportSource {
  private run: Promise<TraceReader> | undefined;
  private evaluated: Promise<EvaluationReader> | undefined;
  private sent: Promise<TrafficReader> | undefined;

  private constructor(
    readonly path: string,
    readonly bytes: number,
  ) {}

  /** @throws FoveaError `disk` when there is no such file */
  static async of(path: string): Promise<ReportSource> {
    try {
      return new ReportSource(path, (await stat(path)).size);
    } catch (error) {
      throw cannotOpen(path, error);
    }
  }

  get name(): string {
    return basename(this.path);
  }

  /** In small letters, with its dot. */
  get extension(): string {
    return extname(this.path).toLowerCase();
  }

  /** What a trace holds; undefined for any other file. @throws FoveaError `disk`, TraceError */
  async traceKind(): Promise<TraceKind | undefined> {
    if (this.extension !== traceExtension) return undefined;
    return openForReport(this.path, traceFileKind);
  }

  /** A trace of a run. @throws FoveaError `disk`, TraceError */
  trace(): Promise<TraceReader> {
    this.run ??= openForReport(this.path, openTraceFile);
    return this.run;
  }

  /** A trace of an evaluation. @throws FoveaError `disk`, TraceError */
  evaluation(): Promise<EvaluationReader> {
    this.evaluated ??= openForReport(this.path, openEvaluationFile);
    return this.evaluated;
  }

  /** A trace of traffic. @throws FoveaError `disk`, TraceError */
  traffic(): Promise<TrafficReader> {
    this.sent ??= openForReport(this.path, openTrafficFile);
    return this.sent;
  }

  async close(): Promise<void> {
    for (const opened of [this.run, this.evaluated, this.sent]) {
      const trace = await opened?.catch(() => undefined);
      await trace?.close();
    }
  }
}
