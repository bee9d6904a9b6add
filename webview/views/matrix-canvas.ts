import { inkOn } from '../colour/colour-map.ts';
import type { Theme } from '../colour/theme.ts';
import { context2d, element, fitCanvas } from '../element.ts';
import { hatch } from '../image/picture-canvas.ts';
import { measureHover } from '../measures.ts';

/** Where columns stand, CSS pixels. */
export interface MatrixColumns {
  /** Room for the rows' names. */
  readonly gutter: number;
  readonly pitch: number;
  /** Of a cell. */
  readonly width: number;
  /** Column at the left edge, and how many are in sight. */
  readonly first: number;
  readonly count: number;
}

export interface MatrixCell {
  /** Of those drawn, from the top. */
  readonly row: number;
  readonly column: number;
}

export interface MatrixActions {
  /** null where the pointer is on no cell. */
  pointed(cell: MatrixCell | null): void;
  chosen(cell: MatrixCell): void;
  /** By the arrow keys: 1 or -1. */
  moveRow(step: number): void;
  moveColumn(step: number): void;
}

interface Sizes {
  readonly rowHeight: number;
  /** Between two cells, where there is room for one. */
  readonly gap: number;
}

/** Rows of cells that scroll, with a frame around the chosen row and the chosen column, and hands for pointer and arrow keys. */
export class MatrixCanvas {
  readonly element: HTMLElement;
  private readonly canvas: HTMLCanvasElement;
  private readonly marks = element('canvas', { 'aria-hidden': 'true', class: 'marks' });
  private columns: MatrixColumns = { gutter: 0, pitch: 1, width: 1, first: 0, count: 0 };
  private rows = 0;
  private size = { width: 0, height: 0 };
  private inView = -1;
  private readonly context: CanvasRenderingContext2D;

  /** @param name its test id @param over what else lies on the cells */
  constructor(
    name: string,
    private readonly sizes: Sizes,
    actions: MatrixActions,
    ...over: readonly HTMLElement[]
  ) {
    this.canvas = element('canvas', { role: 'img', 'data-testid': name });
    this.context = context2d(this.canvas);
    this.element = element(
      'div',
      { class: 'step-matrix', tabindex: 0, role: 'group', 'data-testid': `${name}-body` },
      element('div', { class: 'step-matrix-rows' }, this.canvas, this.marks, ...over),
    );
    this.listen(actions);
  }

  /** For screen readers. @param whole of the matrix @param drawn of the picture of it */
  describe(whole: string, drawn: string): void {
    this.element.setAttribute('aria-label', whole);
    this.canvas.setAttribute('aria-label', drawn);
  }

  get description(): string {
    return this.canvas.getAttribute('aria-label') ?? '';
  }

  /** Sizes and clears it. @param below room under the rows, CSS pixels */
  begin(width: number, rows: number, columns: MatrixColumns, below = 0): CanvasRenderingContext2D {
    this.columns = columns;
    this.rows = rows;
    this.size = { width, height: rows * this.sizes.rowHeight + below };
    const context = cleared(this.canvas, this.size);
    context.textBaseline = 'middle';
    return context;
  }

  nameRow(row: number, name: string, theme: Theme): void {
    const { gutter } = this.columns;
    const { context } = this;
    context.font = `12px ${fontFamily(theme)}`;
    context.fillStyle = theme.colour('--fovea-dim');
    context.textAlign = 'right';
    const letters = gutter > 50 ? 10 : 7;
    context.fillText(name.slice(0, letters), gutter - 7, this.boxOf(row, 0).top + this.sizes.rowHeight / 2, gutter - 8);
  }

  /** A cell's left upper corner and size. */
  boxOf(row: number, column: number): { left: number; top: number; width: number; height: number } {
    const { gutter, pitch, width, first } = this.columns;
    const { rowHeight } = this.sizes;
    return { left: gutter + (column - first) * pitch, top: row * rowHeight + 1, width, height: rowHeight - 2 };
  }

  /** A cell without a value. */
  hatch(row: number, column: number, theme: Theme): void {
    const { context } = this;
    const { left, top, width, height } = this.boxOf(row, column);
    context.save();
    context.beginPath();
    context.rect(left, top, width, height);
    context.clip();
    context.translate(left, top);
    hatch(context, width, height, 6, theme.colour('--fovea-grid'));
    context.restore();
  }

  /** @param index of the colours of shares @returns the ink that is read on it */
  fill(row: number, column: number, index: number, { shareColours }: Theme): string {
    const { context } = this;
    const { left, top, width, height } = this.boxOf(row, column);
    context.fillStyle = `rgb(${shareColours.subarray(index * 3, index * 3 + 3).join(' ')})`;
    context.fillRect(left, top, width, height);
    return inkOn(shareColours, index);
  }

  outline(row: number, column: number, theme: Theme): void {
    const { context } = this;
    const { left, top, width, height } = this.boxOf(row, column);
    context.strokeStyle = theme.colour('--fovea-grid');
    context.lineWidth = 1;
    context.strokeRect(left + 0.5, top + 0.5, width - 1, height - 1);
  }

  /** Frames a column and a row, which comes into view when it is another one; below 0 for none. */
  mark(row: number, column: number, theme: Theme): void {
    const { gutter, pitch, first, count } = this.columns;
    const { rowHeight, gap } = this.sizes;
    const context = cleared(this.marks, this.size);
    if (column >= first && column < first + count) {
      context.strokeStyle = theme.colour('--vscode-focusBorder');
      context.lineWidth = 2;
      const width = Math.max(4, pitch + 2 - gap);
      context.strokeRect(gutter + (column - first) * pitch - 1, 1, width, this.rows * rowHeight - 2);
    }
    if (row < 0) return;
    const top = row * rowHeight;
    context.strokeStyle = theme.colour('--fovea-lock');
    context.lineWidth = 1.5;
    context.strokeRect(gutter - 2, top + 0.75, count * pitch + 4 - gap, rowHeight - 1.5);
    if (this.inView === row) return;
    this.inView = row;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop || top + rowHeight > scrollTop + clientHeight)
      this.element.scrollTop = top - clientHeight / 2 + rowHeight / 2;
  }

  /** The chosen row is brought into view with the next marks, even if it is the same. */
  forgetView(): void {
    this.inView = -1;
  }

  private cellAt(event: MouseEvent): MatrixCell | null {
    const { gutter, pitch, first, count } = this.columns;
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left - gutter) / pitch);
    const row = Math.floor((event.clientY - box.top) / this.sizes.rowHeight);
    const inside = column >= 0 && column < count && row >= 0 && row < this.rows;
    return inside ? { row, column: first + column } : null;
  }

  private listen(actions: MatrixActions): void {
    this.canvas.addEventListener('pointermove', event => {
      const cell = this.cellAt(event);
      measureHover(() => {
        actions.pointed(cell);
      });
    });
    this.canvas.addEventListener('pointerleave', () => {
      actions.pointed(null);
    });
    this.canvas.addEventListener('click', event => {
      const cell = this.cellAt(event);
      if (cell) actions.chosen(cell);
    });
    this.element.addEventListener('keydown', event => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === 'ArrowUp' || event.key === 'ArrowDown') actions.moveRow(event.key === 'ArrowUp' ? -1 : 1);
      else if (event.key === 'ArrowLeft' || event.key === 'ArrowRight')
        actions.moveColumn(event.key === 'ArrowLeft' ? -1 : 1);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }
}

export function fontFamily(theme: Theme): string {
  return theme.colour('--vscode-font-family') || 'sans-serif';
}

function cleared(
  canvas: HTMLCanvasElement,
  { width, height }: { width: number; height: number },
): CanvasRenderingContext2D {
  const context = fitCanvas(canvas, width, height);
  context.clearRect(0, 0, width, height);
  return context;
}
