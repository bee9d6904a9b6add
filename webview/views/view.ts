import type { RunMetadata } from '../../trace/schema.ts';
import type { ChartTables } from '../charts.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import { AttentionView } from './attention-view.ts';

/** One way to look at a run; fills the canvas between the token strip and the depth axis. */
export interface View {
  readonly id: string;
  readonly title: string;
  /** Whether the run recorded what this view shows. */
  available(metadata: RunMetadata): boolean;
  open(context: PanelContext, tables: ChartTables): Region;
}

/** All views, in the order of their tabs. */
export const views: readonly View[] = [
  {
    id: 'attention',
    title: 'Attention',
    available: () => true,
    open: (context, tables) => new AttentionView(context, tables),
  },
];
