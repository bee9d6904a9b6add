import type { RunMetadata } from '../../trace/schema.ts';
import type { ChartTables } from '../charts.ts';
import type { OpenView } from '../faces.ts';
import type { PanelContext } from '../panel-context.ts';
import { openAttention } from './attention-view.ts';
import { openPruning } from './pruning-view.ts';

/** One way to look at a run. */
export interface View {
  readonly id: string;
  readonly title: string;
  /** Why the run has nothing to show here; undefined where it has. */
  missing(metadata: RunMetadata): string | undefined;
  open(context: PanelContext, tables: ChartTables): OpenView;
}

/** All views, in the order of their tabs. */
export const views: readonly View[] = [
  { id: 'attention', title: 'Attention', missing: () => undefined, open: openAttention },
  {
    id: 'pruning',
    title: 'Pruning',
    missing: ({ reduction }) =>
      (reduction?.stages.length ?? 0) > 0
        ? undefined
        : 'This run used every visual token in every layer: nothing was merged or dropped.',
    open: openPruning,
  },
];
