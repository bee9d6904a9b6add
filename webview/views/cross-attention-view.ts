import type { ChartTables } from '../charts.ts';
import { CrossOverlay } from '../cross-attention/cross-overlay.ts';
import { CrossStrip } from '../cross-attention/cross-strip.ts';
import { CrossTiles } from '../cross-attention/cross-tiles.ts';
import { settingWords } from '../cross-attention/words.ts';
import { element, setText } from '../element.ts';
import type { OpenView } from '../faces.ts';
import type { PanelContext, Region } from '../panel-context.ts';
import type { Scene } from '../scene.ts';
import { ClosestLooks } from './closest-looks.ts';
import { CrossCosts } from './cross-costs.ts';
import { CrossLegend } from './cross-legend.ts';
import { CrossReadout } from './cross-readout.ts';
import { FilmStrip } from './film-strip.ts';
import { ReadingHeads } from './reading-heads.ts';
import { ReadingMatrix } from './reading-matrix.ts';

export function openCrossAttention(context: PanelContext, tables: ChartTables): OpenView {
  const legend = new CrossLegend(context);
  return {
    canvas: new CrossAttentionView(context, tables),
    legend,
    readout: new CrossReadout(context),
    overlay: new CrossOverlay(context.picture),
    tiles: new CrossTiles(),
    strip: new CrossStrip(),
    keys: {
      ' ': () => {
        legend.toggle();
      },
    },
    caveat: 'Attention shows where information was read, not why the answer was given.',
  };
}

interface Chart {
  readonly element: HTMLElement;
  draw(scene: Scene): void;
}

/** Where text looked in a high-resolution image or in frames, word by word, and what that costs. */
class CrossAttentionView implements Region {
  readonly element: HTMLElement;
  private readonly setting = element('p', { class: 'setting small dim', 'data-testid': 'cross-setting' });
  private readonly looked: readonly Chart[];
  private readonly matrix: ReadingMatrix;
  private readonly costs = new CrossCosts();

  constructor(context: PanelContext, tables: ChartTables) {
    const { crossAttention } = context.metadata;
    this.looked = crossAttention?.input === 'frames' ? filmStrip(context, tables) : largeImage(context, tables);
    this.matrix = new ReadingMatrix(context);
    tables.add(this.matrix.element, this.matrix.body, () => this.matrix.table());
    tables.add(this.costs.element, this.costs.body, () => this.costs.table());
    this.element = element(
      'section',
      { class: 'canvas cross', 'aria-label': 'Cross-attention', 'data-testid': 'cross-view' },
      ...this.looked.map(chart => chart.element),
      this.setting,
      this.matrix.element,
      this.costs.element,
    );
  }

  draw(scene: Scene): void {
    const { crossAttention } = scene.metadata;
    if (!crossAttention) return;
    setText(this.setting, [settingWords(crossAttention), ...crossAttention.notes].join(' · '));
    this.setting.title = this.setting.textContent;
    for (const chart of this.looked) chart.draw(scene);
    const { mode, gridHeight } = scene.layout;
    this.matrix.draw(scene, mode === 'wide' ? Math.max(150, gridHeight - 300) : 360);
    this.costs.draw(scene);
  }
}

function filmStrip(context: PanelContext, tables: ChartTables): Chart[] {
  const strip = new FilmStrip(context);
  tables.add(strip.element, strip.body, () => strip.table());
  return [strip];
}

function largeImage(context: PanelContext, tables: ChartTables): Chart[] {
  const looks = new ClosestLooks(context);
  tables.add(looks.element, looks.body, () => looks.table());
  // Heads can only be told apart where the trace keeps each.
  if (context.metadata.crossAttention?.maps !== 'heads') return [looks];
  const heads = new ReadingHeads(context);
  tables.add(heads.element, heads.body, () => heads.table());
  return [looks, heads];
}
