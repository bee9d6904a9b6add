import { range } from 'd3';
import { tableColumn, type TableData } from '../charts.ts';
import { tableIndex } from '../colour/colour-map.ts';
import { cellText, kindOf, matrixOf, type Matrix } from '../cross-attention/matrix-data.ts';
import type { CrossScene } from '../cross-attention/cross-scene.ts';
import { canvasRatio, element, setText } from '../element.ts';
import { share } from '../format.ts';
import type { PanelContext } from '../panel-context.ts';
import type { Scene } from '../scene.ts';
import { drawSegments } from '../segments.ts';
import { fontFamily, type MatrixActions, MatrixCanvas, type MatrixColumns } from './matrix-canvas.ts';

const rowHeight = 18;
/** Room for a word or a head left of the cells. */
const gutterOfWords = 66;
const widestColumn = 76;
const heightOfNames = 16;

const titles = {
  words: 'Word by word: which frame was read',
  heads: 'Head by head: which frame this word read',
  change: 'How much reading changed each word',
} as const;

/** Every word beside every frame or layer, or every head beside every frame; a cell chooses both. */
export class ReadingMatrix {
  readonly element: HTMLElement;
  readonly body: HTMLElement;
  private readonly canvas: MatrixCanvas;
  private readonly title = element('h2');
  private readonly note = element('small', { 'data-testid': 'reading-note' });
  private readonly choice;
  private scene: Scene | null = null;
  private matrix: Matrix | null = null;
  private drawn = '';

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
    this.canvas = new MatrixCanvas('reading-matrix', { rowHeight, gap: 2 }, this.actions());
    this.body = this.canvas.element;
    this.element = element(
      'div',
      { class: 'matrix-chart' },
      element('div', { class: 'chart-title' }, this.title, this.choice.element, this.note),
      this.body,
    );
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
      this.matrix = matrixOf(scene, cross);
      this.paint(scene, this.matrix);
      setText(this.title, titles[kind]);
    }
    const { matrix } = this;
    if (!matrix) return;
    setText(this.note, noteOf(scene, cross, matrix));
    this.note.title = this.note.textContent;
    const description = `${this.title.textContent}. ${this.note.textContent}`;
    this.canvas.describe(description, description);
    const row = matrix.rows.findIndex(({ token, head }) =>
      matrix.kind === 'heads' ? head === focus.head : token === focus.token,
    );
    this.canvas.mark(row, matrix.kind === 'change' ? focus.layers.last : cross.frame, theme);
  }

  table(): TableData {
    const { matrix } = this;
    return {
      caption: `${this.title.textContent}, ${this.note.textContent}`,
      columns: [tableColumn(matrix?.kind === 'heads' ? 'head' : 'word', false), ...tableColumns(matrix)],
      rows: (matrix?.rows ?? []).map(({ label, values }) => [
        label,
        ...values.flatMap(value => (Number.isNaN(value) ? [] : [share(value)])),
      ]),
    };
  }

  private paint(scene: Scene, matrix: Matrix): void {
    const { theme, layout } = scene;
    const columns = columnsOf(scene, matrix);
    const { pitch, width, first, count } = columns;
    const { canvas } = this;
    const context = canvas.begin(layout.canvasWidth, Math.max(1, matrix.rows.length), columns, heightOfNames);
    canvas.forgetView();
    matrix.rows.forEach(({ label, values }, row) => {
      canvas.nameRow(row, label, theme);
      for (const column of range(first, first + count)) {
        const value = values[column] ?? NaN;
        if (Number.isNaN(value)) {
          canvas.hatch(row, column, theme);
          continue;
        }
        const ink = canvas.fill(row, column, tableIndex(value, matrix.maximum), theme);
        if (theme.highContrast) canvas.outline(row, column, theme);
        const { left, top, height } = canvas.boxOf(row, column);
        context.font = `11px ${fontFamily(theme)}`;
        context.fillStyle = ink;
        context.fillText(cellText(value, width), left + width - 3, top + height / 2);
      }
    });
    const every = pitch >= 22 ? 1 : pitch >= 11 ? 4 : 8;
    context.font = `11px ${fontFamily(theme)}`;
    context.fillStyle = theme.colour('--fovea-dim');
    context.textAlign = 'center';
    const below = Math.max(1, matrix.rows.length) * rowHeight + heightOfNames - 7;
    for (const column of range(first, first + count, every)) {
      const name = matrix.kind === 'change' ? matrix.columns[column]! : String(column + 1);
      context.fillText(name, canvas.boxOf(0, column).left + width / 2, below);
    }
  }

  private actions(): MatrixActions {
    const { hover, selection, actions } = this.context;
    const layered = (): boolean => this.matrix?.kind === 'change';
    return {
      pointed: cell => {
        hover.set({
          token: (cell && this.matrix?.rows[cell.row]?.token) ?? null,
          frame: cell && !layered() ? cell.column : null,
          layer: cell && layered() ? { tower: 'decoder', layer: cell.column } : null,
        });
      },
      chosen: ({ row, column }) => {
        hover.set({ token: null, frame: null, layer: null });
        const { token, head } = this.matrix?.rows[row] ?? {};
        if (layered()) actions.chooseLayer(column);
        else selection.set({ frame: column });
        if (token !== undefined) selection.set({ token });
        if (head !== undefined) actions.chooseHead(head);
      },
      moveRow: step => {
        if (this.matrix?.kind === 'heads') actions.moveHead(step);
        else actions.moveToken(step);
      },
      moveColumn: step => {
        const cross = this.scene?.cross;
        if (layered()) actions.moveLayer(step);
        else if (cross) selection.set({ frame: Math.max(0, Math.min(cross.run.frames - 1, cross.frame + step)) });
      },
    };
  }
}

/** Layers stand in the columns that they have everywhere; frames share the width. */
function columnsOf({ layout }: Scene, { kind, columns }: Matrix): MatrixColumns {
  const sized = (gutter: number, pitch: number, first: number, count: number): MatrixColumns => {
    return { gutter, pitch, width: pitch >= 12 ? pitch - 2 : pitch, first, count };
  };
  if (kind === 'change') {
    const { pitch, first, count } = layout.columns;
    return sized(layout.gutter || gutterOfWords, pitch, first, count);
  }
  const room = layout.canvasWidth - gutterOfWords;
  const pitch = Math.max(4, Math.min(widestColumn, Math.floor(room / Math.max(1, columns.length))));
  return sized(gutterOfWords, pitch, 0, columns.length);
}

function noteOf({ words }: Scene, cross: CrossScene, { kind, maximum, hidden }: Matrix): string {
  const more = hidden > 0 ? ` · ${hidden} further words are not drawn` : '';
  const scale = `colour: 0 to ${share(maximum)}${more}`;
  if (kind === 'change') return `relative L2 norm of what was added before the layer, gate included · ${scale}`;
  const whose = kind === 'heads' ? `${words.subject} · ` : '';
  return `${whose}share of cross-attention on each frame · ${scale}${cross.places.length > 1 ? ' · mean of layers' : ''}`;
}

function tableColumns(matrix: Matrix | null): ReturnType<typeof tableColumn>[] {
  const [first] = matrix?.rows ?? [];
  const kept = (matrix?.columns ?? []).filter((_, column) => !Number.isNaN(first?.values[column] ?? NaN));
  return kept.map(name => tableColumn(name));
}
