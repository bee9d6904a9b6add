import { version } from '../../version.ts';
import type { ReportDocument } from '../document.ts';
import type { ReportKind } from '../report-kind.ts';

/** Raised when a field changes its meaning. */
const layout = 1;

export function renderJson({ numbers }: ReportDocument, kind: ReportKind['id']): string {
  return `${JSON.stringify({ foveaReport: layout, kind, producer: { name: 'fovea', version }, ...numbers() })}\n`;
}
