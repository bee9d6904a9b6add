import { range } from 'd3';
import { tableColumn, type TableData } from '../charts.ts';
import { inkOn, tableIndex } from '../colour/colour-map.ts';
import { cellText, kindOf, matrixOf, type Matrix } from '../cross-attention/matrix-data.ts';
import type { CrossScene } from '../cross-attention/cross-scene.ts';
import { canvasRatio, element, fitCanvas, setText } from '../element.ts';
import { share } from '../format.ts';
import { hatch } from '../image/picture-canvas.ts';
import { measureHover } from '../measures.ts';
import type { PanelContext } from '../panel-context.ts';
import type { Scene } from '../scene.ts';
import { drawSegments } from '../segments.ts';

const rowHeight = 18;
/** Room for a word or a head left of the cells. */
const gutterOfWords = 66;
const widestColumn = 76;

interface Place {
  readonly gutter: number;
  readonly pitch: number;
  /** Column at the left edge: layers that do not fit are not drawn. */
  readonly first: number;
  readonly count: number;
}

const titles = {
  words: 'Word by word: which frame was read',
  heads: 'Head by head: which frame this word read',
  change: 'How much reading changed each word',
} as const;

/** Every word beside every frame or layer, or every head beside every frame; a cell chooses both. */
export class ReadingMatrix {
  readonly element: HTMLElement;
  readonly body: HTMLElement;
  private readonly canvas = element('canvas', { role: 'img', 'data-testid': 'reading-matrix' });
  private readonly marks = element('canvas', { 'aria-hidden': 'true', class: 'marks' });
  private readonly title = element('h2');
  private readonly note = element('small', { 'data-testid': 'reading-note' });
  private readonly choice;
  private scene: Scene | null = null;
  private matrix: Matrix | null = null;
  private place: Place = { gutter: 0, pitch: 1, first: 0, count: 0 };
  private drawn = '';
  private inView = -1;

  constructor(private readonly context: PanelContext) {
    this.choice = drawSegments(
      'reading',
      'What the matrix shows',
      [
        { value: 'words', text: 'words', words: 'share of each word’s cross-attention on each frame' },
        { value: 'heads', text: 'heads', words: 'the same for each head of the shown word' },
        { value: 'change', text: 'change', words: 'how much reading changed each word before each layer' },
      ],
      reading => {
        context.selection.set({ reading });
      },
    );
    this.body = element(
      'div',
      { class: 'step-matrix', tabindex: 0, role: 'group', 'data-testid': 'reading-matrix-body' },
      element('div', { class: 'step-matrix-rows' }, this.canvas, this.marks),
    );
    this.element = element(
      'div',
      { class: 'matrix-chart' },
      element('div', { class: 'chart-title' }, this.title, this.choice.element, this.note),
      this.body,
    );
    this.listen();
  }

  draw(scene: Scene, height: number): void {
    this.scene = scene;
    const { cross, layout, theme, focus, selection } = scene;
    if (!cross) return;
    this.choice.element.hidden = cross.run.frames === 0;
    this.choice.show(selection.reading);
    this.body.style.maxHeight = `${height}px`;
    const kind = kindOf(scene, cross);
    const key = [
      ...[kind, cross.places.join(), focus.head, focus.row, kind === 'heads' ? cross.row : '', theme.scheme],
      ...[theme.highContrast, layout.canvasWidth, JSON.stringify(layout.columns), canvasRatio()],
    ].join(' ');
    if (key !== this.drawn) {
      this.drawn = key;
      this.inView = -1;
      this.matrix = matrixOf(scene, cross);
      this.place = placeOf(scene, this.matrix);
      this.paint(scene, this.matrix);
      setText(this.title, titles[kind]);
    }
    const { matrix } = this;
    if (!matrix) return;
    setText(this.note, noteOf(scene, cross, matrix));
    this.note.title = this.note.textContent;
    this.body.setAttribute('aria-label', `${this.title.textContent}. ${this.note.textContent}`);
    this.canvas.setAttribute('aria-label', this.body.getAttribute('aria-label') ?? '');
    this.drawMarks(scene, cross, matrix);
  }

  table(): TableData {
    const { matrix } = this;
    return {
      caption: `${this.title.textContent}, ${this.note.textContent}`,
      columns: [tableColumn(matrix?.kind === 'heads' ? 'head' : 'word', false), ...columnsOf(matrix)],
      rows: (matrix?.rows ?? []).map(({ label, values }) => [
        label,
        ...values.flatMap(value => (Number.isNaN(value) ? [] : [share(value)])),
      ]),
    };
  }

  private paint({ theme, layout }: Scene, matrix: Matrix): void {
    const { gutter, pitch, first, count } = this.place;
    const height = Math.max(1, matrix.rows.length) * rowHeight + 16;
    const context = fitCanvas(this.canvas, layout.canvasWidth, height);
    context.clearRect(0, 0, layout.canvasWidth, height);
    const family = theme.colour('--vscode-font-family') || 'sans-serif';
    const width = pitch >= 12 ? pitch - 2 : pitch;
    context.textBaseline = 'middle';
    const dim = theme.colour('--fovea-dim');
    matrix.rows.forEach(({ label, values }, row) => {
      const top = row * rowHeight + 1;
      context.font = `12px ${family}`;
      context.fillStyle = dim;
      context.textAlign = 'right';
      context.fillText(label.slice(0, gutter > 50 ? 10 : 7), gutter - 7, top + rowHeight / 2, gutter - 8);
      for (const column of range(first, first + count)) {
        const left = gutter + (column - first) * pitch;
        const value = values[column] ?? NaN;
        if (Number.isNaN(value)) {
          hatchBox(context, left, top, width, rowHeight - 2, theme.colour('--fovea-grid'));
          continue;
        }
        const index = tableIndex(value, matrix.maximum);
        context.fillStyle = `rgb(${theme.shareColours.subarray(index * 3, index * 3 + 3).join(' ')})`;
        context.fillRect(left, top, width, rowHeight - 2);
        if (theme.highContrast) {
          context.strokeStyle = theme.colour('--fovea-grid');
          context.lineWidth = 1;
          context.strokeRect(left + 0.5, top + 0.5, width - 1, rowHeight - 3);
        }
        context.font = `11px ${family}`;
        context.fillStyle = inkOn(theme.shareColours, index);
        context.fillText(cellText(value, width), left + width - 3, top + rowHeight / 2 - 1);
      }
    });
    const every = pitch >= 22 ? 1 : pitch >= 11 ? 4 : 8;
    context.font = `11px ${family}`;
    context.fillStyle = dim;
    context.textAlign = 'center';
    for (const column of range(first, first + count, every)) {
      const name = matrix.kind === 'change' ? matrix.columns[column]! : String(column + 1);
      context.fillText(name, gutter + (column - first) * pitch + width / 2, height - 7);
    }
  }

  private drawMarks({ theme, layout, focus }: Scene, cross: CrossScene, { rows, kind }: Matrix): void {
    const { gutter, pitch, first, count } = this.place;
    const height = Math.max(1, rows.length) * rowHeight + 16;
    const context = fitCanvas(this.marks, layout.canvasWidth, height);
    context.clearRect(0, 0, layout.canvasWidth, height);
    const column = (kind === 'change' ? focus.layers.last : cross.frame) - first;
    if (column >= 0 && column < count) {
      context.strokeStyle = theme.colour('--vscode-focusBorder');
      context.lineWidth = 2;
      context.strokeRect(gutter + column * pitch - 1, 1, Math.max(4, pitch), rows.length * rowHeight - 2);
    }
    const row = rows.findIndex(({ token, head }) => (kind === 'heads' ? head === focus.head : token === focus.token));
    if (row < 0) return;
    const top = row * rowHeight;
    context.strokeStyle = theme.colour('--fovea-lock');
    context.lineWidth = 1.5;
    context.strokeRect(gutter - 2, top + 0.75, count * pitch + 2, rowHeight - 1.5);
    if (this.inView === row) return;
    this.inView = row;
    const { scrollTop, clientHeight } = this.body;
    if (top < scrollTop || top + rowHeight > scrollTop + clientHeight)
      this.body.scrollTop = top - clientHeight / 2 + rowHeight / 2;
  }

  private cellAt(event: MouseEvent): { row: Matrix['rows'][number]; column: number } | null {
    const { matrix, place } = this;
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left - place.gutter) / place.pitch);
    const row = matrix?.rows[Math.floor((event.clientY - box.top) / rowHeight)];
    return row && column >= 0 && column < place.count ? { row, column: place.first + column } : null;
  }

  private listen(): void {
    const { hover, selection, actions } = this.context;
    this.canvas.addEventListener('pointermove', event => {
      const cell = this.cellAt(event);
      const layered = this.matrix?.kind === 'change';
      measureHover(() => {
        hover.set({
          token: cell?.row.token ?? null,
          frame: cell && !layered ? cell.column : null,
          layer: cell && layered ? { tower: 'decoder', layer: cell.column } : null,
        });
      });
    });
    this.canvas.addEventListener('pointerleave', () => {
      hover.set({ token: null, frame: null, layer: null });
    });
    this.canvas.addEventListener('click', event => {
      const cell = this.cellAt(event);
      if (!cell) return;
      hover.set({ token: null, frame: null, layer: null });
      if (this.matrix?.kind === 'change') actions.chooseLayer(cell.column);
      else selection.set({ frame: cell.column });
      if (cell.row.token !== undefined) selection.set({ token: cell.row.token });
      if (cell.row.head !== undefined) actions.chooseHead(cell.row.head);
    });
    this.body.addEventListener('keydown', event => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const step = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step === undefined || !this.scene?.cross) return;
      const { run, frame } = this.scene.cross;
      if (event.key === 'ArrowUp' || event.key === 'ArrowDown')
        if (this.matrix?.kind === 'heads') actions.moveHead(step);
        else actions.moveToken(step);
      else if (this.matrix?.kind === 'change') actions.moveLayer(step);
      else selection.set({ frame: Math.max(0, Math.min(run.frames - 1, frame + step)) });
      event.preventDefault();
      event.stopPropagation();
    });
  }
}

/** Layers stand in the columns that they have everywhere; frames share the width. */
function placeOf({ layout }: Scene, { kind, columns }: Matrix): Place {
  if (kind === 'change') {
    const { pitch, first, count } = layout.columns;
    return { gutter: layout.gutter || gutterOfWords, pitch, first, count };
  }
  const room = layout.canvasWidth - gutterOfWords;
  const pitch = Math.max(4, Math.min(widestColumn, Math.floor(room / Math.max(1, columns.length))));
  return { gutter: gutterOfWords, pitch, first: 0, count: columns.length };
}

function noteOf({ words }: Scene, cross: CrossScene, { kind, maximum, hidden }: Matrix): string {
  const more = hidden > 0 ? ` · ${hidden} further words are not drawn` : '';
  const scale = `colour: 0 to ${share(maximum)}${more}`;
  if (kind === 'change') return `relative L2 norm of what was added before the layer, gate included · ${scale}`;
  const whose = kind === 'heads' ? `${words.subject} · ` : '';
  return `${whose}share of cross-attention on each frame · ${scale}${cross.places.length > 1 ? ' · mean of layers' : ''}`;
}

function columnsOf(matrix: Matrix | null): ReturnType<typeof tableColumn>[] {
  const [first] = matrix?.rows ?? [];
  const kept = (matrix?.columns ?? []).filter((_, column) => !Number.isNaN(first?.values[column] ?? NaN));
  return kept.map(name => tableColumn(name));
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
