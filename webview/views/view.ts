import type { RunMetadata } from '../../trace/schema.ts';
import type { ChartTables } from '../charts.ts';
import { CompareView, compareViewId } from '../compare/compare-view.ts';
import type { FurtherRun } from '../compare/comparison.ts';
import type { OpenView, OpenWholeView } from '../faces.ts';
import type { PanelContext } from '../panel-context.ts';
import { detailMissing, detailTitle, highResolutionViewId } from '../high-resolution/words.ts';
import { crossAttentionViewId, crossMissing, crossTitle } from '../cross-attention/words.ts';
import { openAttention } from './attention-view.ts';
import { openCrossAttention } from './cross-attention-view.ts';
import { openHighResolution } from './high-resolution-view.ts';
import { openPruning } from './pruning-view.ts';

/** One way to look at a run. */
export interface View {
  readonly id: string;
  readonly title: string;
  /** A title that the run gives it. */
  titleOf?(metadata: RunMetadata): string | undefined;
  /** Why the run has nothing to show here; undefined where it has. @param further the runs next to it */
  missing(metadata: RunMetadata, further: readonly FurtherRun[]): string | undefined;
  open(context: PanelContext, tables: ChartTables): OpenView;
}

/** One that fills everything below the run bar itself, with a strip, images and an axis of its own. */
export interface WholeView extends Omit<View, 'open'> {
  openWhole(context: PanelContext, tables: ChartTables): OpenWholeView;
}

/** All views, in the order of their tabs. */
export const views: readonly (View | WholeView)[] = [
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
  {
    id: highResolutionViewId,
    title: 'High resolution',
    titleOf: detailTitle,
    missing: detailMissing,
    open: openHighResolution,
  },
  {
    id: crossAttentionViewId,
    title: 'Cross-attention',
    titleOf: crossTitle,
    missing: crossMissing,
    open: openCrossAttention,
  },
  {
    id: compareViewId,
    title: 'Compare',
    missing: (_, further) =>
      further.some(({ source }) => source)
        ? undefined
        : 'There is one run only. “Compare With…” puts others next to it.',
    openWhole: (context, tables) => new CompareView(context, tables),
  },
];
