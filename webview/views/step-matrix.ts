import { range } from 'd3';
import { tableColumn, type TableData } from '../charts.ts';
import { tableIndex } from '../colour/colour-map.ts';
import { drawSegments } from '../segments.ts';
import { canvasRatio, element, setText } from '../element.ts';
import { count, share, visibleToken } from '../format.ts';
import { changeText, overlapText } from '../high-resolution/quantities.ts';
import type { RunSelections } from '../high-resolution/run-selections.ts';
import type { PanelContext } from '../panel-context.ts';
import type { DetailScene, Scene } from '../scene.ts';
import type { Selection } from '../selection.ts';
import { fontFamily, type MatrixActions, MatrixCanvas } from './matrix-canvas.ts';

type Compared = Selection['compared'];

const rowHeight = 20;
/** Of a longer answer, the steps around the shown one are drawn. */
const mostRows = 60;

const choices: readonly { readonly value: Compared; readonly text: string; readonly words: string }[] = [
  { value: 'step', text: 'previous step', words: 'overlap (IoU) with what the layer read one step earlier' },
  { value: 'layer', text: 'previous layer', words: 'overlap (IoU) with what the layer before read' },
  { value: 'tokens', text: 'tokens', words: 'high-resolution tokens that the layer reads' },
];

/** Every reading layer at every step: how many tokens it reads, and how much they are the ones read before. */
export class StepMatrix {
  readonly element: HTMLElement;
  readonly body: HTMLElement;
  private readonly canvas: MatrixCanvas;
  private readonly layers = element('div', { class: 'head-layers figure-only', 'aria-hidden': 'true' });
  private readonly note = element('small');
  private readonly choice;
  private scene: Scene | null = null;
  private drawn = '';
  private firstRow = 0;

  constructor(private readonly context: PanelContext) {
    this.choice = drawSegments('matrix', 'What the matrix shows', choices, compared => {
      context.selection.set({ compared });
    });
    this.canvas = new MatrixCanvas('step-matrix', { rowHeight, gap: 4 }, this.actions(), this.layers);
    this.body = this.canvas.element;
    this.element = element(
      'div',
      { class: 'matrix-chart' },
      element('div', { class: 'chart-title' }, element('h2', {}, 'Layer × step'), this.choice.element, this.note),
      this.body,
    );
  }

  draw(scene: Scene): void {
    this.scene = scene;
    const { detail, selection } = scene;
    this.choice.show(selection.compared);
    if (!detail) return;
    const { layout, theme } = scene;
    this.body.style.maxHeight = `${layout.mode === 'wide' ? Math.max(160, layout.gridHeight - 190) : 420}px`;
    const rows = this.rowsOf(detail);
    const { pitch, first, count: inSight } = layout.columns;
    const key = `${selection.compared} ${rows.first} ${rows.count} ${layout.canvasWidth} ${pitch} ${first} ${theme.scheme} ${theme.highContrast} ${canvasRatio()}`;
    if (rows.first !== this.firstRow) this.canvas.forgetView();
    this.firstRow = rows.first;
    if (key !== this.drawn) {
      this.drawn = key;
      this.paint(scene, detail, rows);
      this.layers.style.top = `${rows.count * rowHeight + 2}px`;
      this.layers.replaceChildren(
        ...range(first, first + inSight).map(layer => {
          const label = element('span', {}, `D${layer}`);
          label.style.left = `${layout.gutter + (layer - first) * pitch}px`;
          return label;
        }),
      );
    }
    const part =
      rows.count < detail.run.steps
        ? `steps ${rows.first} to ${rows.first + rows.count - 1} of ${detail.run.steps} · `
        : '';
    const { words } = choices.find(({ value }) => value === selection.compared)!;
    setText(this.note, `${part}${words} · green bar: attention on high-resolution tokens`);
    this.note.title = this.note.textContent;
    this.canvas.describe('Layer by step', this.label(detail, selection.compared, words));
    this.canvas.mark(detail.step - rows.first, detail.layer, theme);
  }

  /** Of what is drawn. */
  caption(): string {
    return `${this.canvas.description}; green bar: attention on high-resolution tokens`;
  }

  table(): TableData {
    const detail = this.scene?.detail;
    const columns = [
      tableColumn('step'),
      tableColumn('token', false),
      tableColumn('layer', false),
      ...['tokens', 'IoU previous step', 'IoU previous layer', 'attention', 'change'].map(title => tableColumn(title)),
    ];
    const rows = detail
      ? range(detail.run.steps).flatMap(step =>
          detail.run.described.attending.map(layer => stepRow(detail.run, step, layer, this.tokenAt(step))),
        )
      : [];
    return { caption: 'High-resolution tokens that each layer read at each step', columns, rows };
  }

  private tokenAt(step: number): string {
    const { tokens, promptTokens } = this.context.metadata;
    return visibleToken(tokens[promptTokens + step]?.text ?? '');
  }

  private rowsOf({ run, step }: DetailScene): { first: number; count: number } {
    const number = Math.min(mostRows, run.steps);
    const first = Math.max(0, Math.min(run.steps - number, this.firstRow));
    const moved = step < first || step >= first + number ? step - Math.floor(number / 2) : first;
    return { first: Math.max(0, Math.min(run.steps - number, moved)), count: number };
  }

  private paint(
    { layout, theme, selection }: Scene,
    { run }: DetailScene,
    rows: { first: number; count: number },
  ): void {
    const { gutter, canvasWidth } = layout;
    const { pitch, first, count: inReach } = layout.columns;
    const width = pitch >= 30 ? pitch - 4 : Math.max(2, pitch - 1);
    const { canvas } = this;
    const context = canvas.begin(canvasWidth, rows.count, { gutter, pitch, width, first, count: inReach });
    const family = fontFamily(theme);
    const inSight = range(first, first + inReach);
    const steps = range(rows.first, rows.first + rows.count);
    const mostShare = Math.max(1e-9, ...steps.flatMap(step => inSight.map(layer => run.share(step, layer) ?? 0)));
    for (const step of steps) {
      const row = step - rows.first;
      canvas.nameRow(row, this.tokenAt(step), theme);
      for (const layer of inSight) {
        if (!run.reads(layer)) {
          canvas.hatch(row, layer, theme);
          continue;
        }
        const value = valueOf(run, step, layer, selection.compared);
        let ink = theme.colour('--vscode-foreground');
        if (value.share === undefined) canvas.outline(row, layer, theme);
        else ink = canvas.fill(row, layer, tableIndex(value.share, 1), theme);
        const { left, top, height: tall } = canvas.boxOf(row, layer);
        const on = run.share(step, layer) ?? 0;
        context.fillStyle = ink;
        if (pitch >= 36) {
          context.font = `11px ${family}`;
          context.fillText(value.text, left + width - 4, top + tall / 2 - 1);
        }
        if (pitch >= 68 && on >= 0.01) {
          context.textAlign = 'left';
          context.font = `600 11px ${family}`;
          context.fillText(share(on), left + 4, top + tall / 2 - 1);
          context.textAlign = 'right';
        }
        const bar = (on / mostShare) * (width - 4);
        if (bar < 1) continue;
        context.fillStyle = '#000';
        context.fillRect(left + 1.5, top + tall - 5.5, bar + 1, 5);
        context.fillStyle = theme.colour('--fovea-mass-hr-on-map');
        context.fillRect(left + 2, top + tall - 5, bar, 4);
      }
    }
  }

  private label({ run, step, layer }: DetailScene, compared: Compared, words: string): string {
    const all = range(run.steps).flatMap(at =>
      run.described.attending.flatMap(one => {
        const { number } = valueOf(run, at, one, compared);
        return number === undefined || Number.isNaN(number) ? [] : [number];
      }),
    );
    const text = (value: number): string => (compared === 'tokens' ? count(value) : value.toFixed(2));
    const extent = all.length > 0 ? `, ${text(Math.min(...all))} to ${text(Math.max(...all))}` : '';
    const here = run.reads(layer) ? `; step ${step}, layer D${layer}: ${valueOf(run, step, layer, compared).text}` : '';
    return `Layer by step: ${words}, ${run.steps} steps by ${run.described.attending.length} layers${extent}${here}`;
  }

  private actions(): MatrixActions {
    const { hover, actions, metadata } = this.context;
    return {
      pointed: cell => {
        hover.set({
          token: cell ? metadata.promptTokens + this.firstRow + cell.row : null,
          layer: cell ? { tower: 'decoder', layer: cell.column } : null,
        });
      },
      chosen: ({ row, column }) => {
        actions.chooseLayer(column);
        actions.chooseStep(this.firstRow + row);
      },
      moveRow: step => {
        actions.moveStep(step);
      },
      moveColumn: step => {
        actions.moveLayer(step);
      },
    };
  }
}

interface CellValue {
  /** Of the scale of the colours, 0 to 1; undefined where there is nothing to compare with. */
  readonly share: number | undefined;
  readonly number: number | undefined;
  readonly text: string;
}

function valueOf(run: RunSelections, step: number, layer: number, compared: Compared): CellValue {
  if (compared === 'tokens') {
    const tokens = run.tokenCount(step, layer) ?? 0;
    return { share: tokens / run.tokens, number: tokens, text: count(tokens) };
  }
  const overlap = compared === 'step' ? run.overlapWithStep(step, layer) : run.overlapWithLayer(step, layer);
  if (overlap === undefined) return { share: undefined, number: undefined, text: 'first' };
  return { share: Number.isNaN(overlap) ? undefined : overlap, number: overlap, text: overlapText(overlap) };
}

/** What is known of a layer at a step, for tables. */
export function stepRow(run: RunSelections, step: number, layer: number, token: string): readonly string[] {
  const [on, change] = [run.share(step, layer), run.change(step, layer)];
  return [
    String(step),
    token,
    `D${layer}`,
    count(run.tokenCount(step, layer) ?? 0),
    overlapText(run.overlapWithStep(step, layer)),
    overlapText(run.overlapWithLayer(step, layer)),
    on === undefined ? '–' : share(on),
    change === undefined ? '–' : changeText(change),
  ];
}
