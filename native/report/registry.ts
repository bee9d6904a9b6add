/** All kinds of reports; `report-kind.ts` says how to add one. */
import { FoveaError } from '../errors.ts';
import { comparisonReport } from './kinds/comparison-report.ts';
import { evaluationReport } from './kinds/evaluation-report.ts';
import { runReport } from './kinds/run-report.ts';
import { trafficReport } from './kinds/traffic-report.ts';
import type { ReportKind, ReportSource } from './report-kind.ts';

/** In the order in which they are asked; the first that accepts makes the report. */
const reportKinds: readonly ReportKind[] = [runReport, comparisonReport, evaluationReport, trafficReport];

/** @throws FoveaError `usage` when no kind takes what was given */
export async function kindFor(sources: readonly ReportSource[]): Promise<ReportKind> {
  for (const kind of reportKinds) if (await kind.accepts(sources)) return kind;
  const names = sources.map(({ name }) => name).join(', ');
  const known = reportKinds.map(({ madeOf }) => madeOf).join('; ');
  throw new FoveaError('usage', `There is no report of ${names}.`, `Reports are made of: ${known}.`);
}
