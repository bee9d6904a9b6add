import { range } from 'd3';
import { tableColumn, type TableData } from '../charts.ts';
import { inkOn, tableIndex } from '../colour/colour-map.ts';
import { drawSegments } from '../segments.ts';
import { canvasRatio, element, fitCanvas, setText } from '../element.ts';
import { count, share, visibleToken } from '../format.ts';
import { changeText, overlapText } from '../high-resolution/quantities.ts';
import type { RunSelections } from '../high-resolution/run-selections.ts';
import { hatch } from '../image/picture-canvas.ts';
import { measureHover } from '../measures.ts';
import type { PanelContext } from '../panel-context.ts';
import type { DetailScene, Scene } from '../scene.ts';
import type { Selection } from '../selection.ts';

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
  private readonly canvas = element('canvas', { role: 'img', 'data-testid': 'step-matrix' });
  private readonly marks = element('canvas', { 'aria-hidden': 'true', class: 'marks' });
  private readonly layers = element('div', { class: 'head-layers figure-only', 'aria-hidden': 'true' });
  private readonly note = element('small');
  private readonly choice;
  private scene: Scene | null = null;
  private drawn = '';
  private inView = -1;
  private firstRow = 0;

  constructor(private readonly context: PanelContext) {
    this.choice = drawSegments('matrix', 'What the matrix shows', choices, compared => {
      context.selection.set({ compared });
    });
    this.body = element(
      'div',
      {
        class: 'step-matrix',
        tabindex: 0,
        role: 'group',
        'aria-label': 'Layer by step',
        'data-testid': 'step-matrix-body',
      },
      element('div', { class: 'step-matrix-rows' }, this.canvas, this.marks, this.layers),
    );
    this.element = element(
      'div',
      { class: 'matrix-chart' },
      element('div', { class: 'chart-title' }, element('h2', {}, 'Layer × step'), this.choice.element, this.note),
      this.body,
    );
    this.listen();
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
    this.canvas.setAttribute('aria-label', this.label(detail, selection.compared, words));
    this.drawMarks(scene, detail, rows);
  }

  /** Of what is drawn. */
  caption(): string {
    return `${this.canvas.getAttribute('aria-label') ?? ''}; green bar: attention on high-resolution tokens`;
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
    const { gutter, canvasWidth, columns } = layout;
    const height = rows.count * rowHeight;
    const context = fitCanvas(this.canvas, canvasWidth, height);
    context.clearRect(0, 0, canvasWidth, height);
    const family = theme.colour('--vscode-font-family') || 'sans-serif';
    const width = columns.pitch >= 30 ? columns.pitch - 4 : Math.max(2, columns.pitch - 1);
    const inSight = range(columns.first, columns.first + columns.count);
    const steps = range(rows.first, rows.first + rows.count);
    const mostShare = Math.max(1e-9, ...steps.flatMap(step => inSight.map(layer => run.share(step, layer) ?? 0)));
    context.textBaseline = 'middle';
    for (const step of steps) {
      const top = (step - rows.first) * rowHeight + 1;
      context.font = `12px ${family}`;
      context.fillStyle = theme.colour('--fovea-dim');
      context.textAlign = 'right';
      context.fillText(this.tokenAt(step).slice(0, 7), gutter - 7, top + rowHeight / 2, gutter - 8);
      for (const layer of inSight) {
        const left = gutter + (layer - columns.first) * columns.pitch;
        const tall = rowHeight - 2;
        if (!run.reads(layer)) {
          hatchBox(context, left, top, width, tall, theme.colour('--fovea-grid'));
          continue;
        }
        const value = valueOf(run, step, layer, selection.compared);
        context.strokeStyle = theme.colour('--fovea-grid');
        if (value.share === undefined || theme.highContrast) {
          context.lineWidth = 1;
          context.strokeRect(left + 0.5, top + 0.5, width - 1, tall - 1);
        }
        let ink = theme.colour('--vscode-foreground');
        if (value.share !== undefined) {
          const index = tableIndex(value.share, 1);
          context.fillStyle = `rgb(${theme.shareColours.subarray(index * 3, index * 3 + 3).join(' ')})`;
          context.fillRect(left, top, width, tall);
          ink = inkOn(theme.shareColours, index);
        }
        const on = run.share(step, layer) ?? 0;
        context.fillStyle = ink;
        if (columns.pitch >= 36) {
          context.font = `11px ${family}`;
          context.fillText(value.text, left + width - 4, top + tall / 2 - 1);
        }
        if (columns.pitch >= 68 && on >= 0.01) {
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

  private drawMarks(
    { layout, theme }: Scene,
    { step, layer }: DetailScene,
    rows: { first: number; count: number },
  ): void {
    const { gutter, canvasWidth, columns } = layout;
    const height = rows.count * rowHeight;
    const context = fitCanvas(this.marks, canvasWidth, height);
    context.clearRect(0, 0, canvasWidth, height);
    const width = columns.count * columns.pitch;
    const top = (step - rows.first) * rowHeight;
    const column = layer - columns.first;
    if (column >= 0 && column < columns.count) {
      context.strokeStyle = theme.colour('--vscode-focusBorder');
      context.lineWidth = 2;
      context.strokeRect(gutter + column * columns.pitch - 1, 1, Math.max(4, columns.pitch - 2), height - 2);
    }
    context.strokeStyle = theme.colour('--fovea-lock');
    context.lineWidth = 1.5;
    context.strokeRect(gutter - 2, top + 0.75, width, rowHeight - 1.5);
    if (this.inView === step) return;
    this.inView = step;
    const { scrollTop, clientHeight } = this.body;
    if (top < scrollTop || top + rowHeight > scrollTop + clientHeight)
      this.body.scrollTop = top - clientHeight / 2 + rowHeight / 2;
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

  private listen(): void {
    const { hover, actions } = this.context;
    const at = (event: MouseEvent): { step: number; layer: number } | null => {
      const { scene } = this;
      if (!scene?.detail) return null;
      const box = this.canvas.getBoundingClientRect();
      const { gutter, columns } = scene.layout;
      const column = Math.floor((event.clientX - box.left - gutter) / columns.pitch);
      const step = this.firstRow + Math.floor((event.clientY - box.top) / rowHeight);
      if (column < 0 || column >= columns.count || step < 0 || step >= scene.detail.run.steps) return null;
      return { step, layer: columns.first + column };
    };
    const { promptTokens } = this.context.metadata;
    this.canvas.addEventListener('pointermove', event => {
      const cell = at(event);
      measureHover(() => {
        hover.set({
          token: cell ? promptTokens + cell.step : null,
          layer: cell ? { tower: 'decoder', layer: cell.layer } : null,
        });
      });
    });
    this.canvas.addEventListener('pointerleave', () => {
      hover.set({ token: null, layer: null });
    });
    this.canvas.addEventListener('click', event => {
      const cell = at(event);
      if (!cell) return;
      actions.chooseLayer(cell.layer);
      actions.chooseStep(cell.step);
    });
    this.body.addEventListener('keydown', event => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === 'ArrowUp' || event.key === 'ArrowDown') actions.moveStep(event.key === 'ArrowUp' ? -1 : 1);
      else if (event.key === 'ArrowLeft' || event.key === 'ArrowRight')
        actions.moveLayer(event.key === 'ArrowLeft' ? -1 : 1);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
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

function hatchBox(
  context: CanvasRenderingContext2D,
  left: number,
  top: number,
  width: number,
  height: number,
  colour: string,
): void {
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.translate(left, top);
  hatch(context, width, height, 6, colour);
  context.restore();
}
