import type { ChartTables } from '../charts.ts';
import { element, setText } from '../element.ts';
import type { OpenView } from '../faces.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import { FateOverlay } from '../pruning/fate-overlay.ts';
import { FateStrip } from '../pruning/fate-strip.ts';
import { FateTiles } from '../pruning/fate-tiles.ts';
import type { Scene } from '../scene.ts';
import { Decisions } from './decisions.ts';
import { FateLegend } from './fate-legend.ts';
import { FateReadout } from './fate-readout.ts';
import { RunAgainControls } from './run-again.ts';
import { LayerCosts } from './layer-costs.ts';
import { StageTable } from './stage-table.ts';
import { TokenFlow } from './token-flow.ts';

export function openPruning(context: PanelContext, tables: ChartTables): OpenView {
  const legend = new FateLegend(context);
  return {
    canvas: new PruningView(context, tables),
    legend,
    readout: new FateReadout(context),
    overlay: new FateOverlay(),
    tiles: new FateTiles(context.picture),
    strip: new FateStrip(),
    keys: {
      '[': () => {
        context.actions.moveStage(-1);
      },
      ']': () => {
        context.actions.moveStage(1);
      },
      ' ': () => {
        legend.toggle();
      },
    },
  };
}

/** What became of the visual tokens: their flow, what it saved, and how each stage decided. */
class PruningView implements Region {
  readonly element: HTMLElement;
  private readonly method = element('p', { class: 'method-words small dim', 'data-testid': 'method-words' });
  private readonly flow: TokenFlow;
  private readonly stages = new StageTable();
  private readonly costs = new LayerCosts();
  private readonly decisions: Decisions;
  private readonly again: RunAgainControls | null;

  constructor(context: PanelContext, tables: ChartTables) {
    this.flow = new TokenFlow(context);
    this.decisions = new Decisions(context);
    this.again = context.canRun ? new RunAgainControls(context) : null;
    const untrusted = element(
      'span',
      { class: 'run-again dim small', 'data-testid': 'run-again-untrusted' },
      'Running needs a trusted workspace',
    );
    tables.add(this.flow.element, this.flow.body, () => this.flow.table());
    tables.add(this.costs.element, this.costs.body, () => this.costs.table());
    tables.add(this.decisions.element, this.decisions.body, () => this.decisions.table());
    this.element = element(
      'section',
      { class: 'canvas pruning', 'aria-label': 'Pruning', 'data-testid': 'pruning-view' },
      this.again?.element ?? untrusted,
      this.method,
      this.flow.element,
      this.stages.element,
      this.costs.element,
      this.decisions.element,
    );
  }

  dispose(): void {
    this.again?.dispose();
  }

  draw(scene: Scene): void {
    this.again?.draw(scene);
    const { method } = scene.metadata;
    const narrow = scene.layout.mode === 'narrow';
    setText(
      this.method,
      [
        `${method.title ?? method.name}${method.variant && !method.module ? `, ${method.variant}` : ''}`,
        ...(method.module ? [fileName(method.module.path)] : []),
        ...(method.notes ?? []),
      ].join(' · '),
    );
    this.method.title = this.method.textContent;
    this.flow.element.hidden = narrow;
    this.stages.element.hidden = !narrow;
    if (narrow) this.stages.draw(scene);
    else this.flow.draw(scene);
    this.costs.draw(scene);
    this.decisions.draw(scene);
  }
}

const fileName = (path: string): string => path.split(/[\\/]/).at(-1)!;
