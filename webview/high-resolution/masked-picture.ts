import type { Rectangle } from '../image/geometry.ts';
import { overlayAlpha, tableIndex } from '../colour/colour-map.ts';
import type { Theme } from '../colour/theme.ts';
import { canvasRatio, context2d } from '../element.ts';

export interface CellGrid {
  readonly rows: number;
  readonly columns: number;
}

/** A picture and the grid over it, in the pixels of the canvas that they are drawn on. */
export interface MaskedPlace {
  readonly picture: CanvasImageSource | null;
  /** Where the whole picture lies. */
  readonly whole: Rectangle;
  /** Where the grid lies. */
  readonly grid: Rectangle;
  readonly width: number;
  readonly height: number;
  /** Pixels of the picture are shown as squares, where it is enlarged. */
  readonly pixelated: boolean;
}

const greyAndScrim: Readonly<Record<Theme['scheme'], string>> = {
  dark: 'rgb(10 10 10 / 62%)',
  light: 'rgb(255 255 255 / 62%)',
};

/** A picture of which only selected cells keep their colours; what steps back is drawn once and kept. */
export class MaskedPicture {
  private readonly back = document.createElement('canvas');
  private drawn = '';

  /** @param key changes when the picture or its place does */
  draw(context: CanvasRenderingContext2D, key: string, place: MaskedPlace, theme: Theme): void {
    this.drawBack(key, place, theme);
    context.drawImage(this.back, 0, 0, place.width, place.height);
  }

  /**
   * Draws the colours of the selected cells over it, and a line around them.
   * @param selected [cells] of 0 or 1 @param line width, 0 for none
   */
  reveal(
    context: CanvasRenderingContext2D,
    place: MaskedPlace,
    cells: CellGrid,
    selected: Uint8Array,
    theme: Theme,
    line = 1.5,
  ): void {
    if (place.picture) {
      context.save();
      context.beginPath();
      addCells(context, place.grid, cells, selected);
      context.clip();
      drawWhole(context, place);
      context.restore();
    }
    if (line > 0) outline(context, place.grid, cells, selected, theme, line);
  }

  private drawBack(key: string, place: MaskedPlace, theme: Theme): void {
    const ratio = canvasRatio();
    const drawn = `${key} ${place.width} ${place.height} ${ratio} ${theme.scheme} ${theme.highContrast}`;
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.back.width = Math.max(1, Math.round(place.width * ratio));
    this.back.height = Math.max(1, Math.round(place.height * ratio));
    const context = context2d(this.back);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.filter = 'grayscale(0.9)';
    drawWhole(context, place);
    context.filter = 'none';
    context.fillStyle = theme.highContrast ? theme.colour('--fovea-scrim') : greyAndScrim[theme.scheme];
    context.fillRect(0, 0, place.width, place.height);
  }
}

function drawWhole(context: CanvasRenderingContext2D, { picture, whole, pixelated }: MaskedPlace): void {
  if (!picture) return;
  context.imageSmoothingEnabled = !pixelated;
  context.imageSmoothingQuality = 'high';
  context.drawImage(picture, whole.x, whole.y, whole.width, whole.height);
}

/** Edges of cells on whole pixels, so that neighbours leave no seam. */
const edge = (start: number, length: number, count: number, index: number): number =>
  Math.round(start + (length * index) / count);

function addCells(
  context: CanvasRenderingContext2D,
  { x, y, width, height }: Rectangle,
  { rows, columns }: CellGrid,
  selected: Uint8Array,
): void {
  for (let row = 0; row < rows; row++) {
    const [top, bottom] = [edge(y, height, rows, row), edge(y, height, rows, row + 1)];
    for (let column = 0; column < columns; column++) {
      if (!selected[row * columns + column]) continue;
      const left = edge(x, width, columns, column);
      context.rect(left, top, edge(x, width, columns, column + 1) - left, bottom - top);
    }
  }
}

/** A line between cells that are selected and those that are not. */
export function outline(
  context: CanvasRenderingContext2D,
  { x, y, width, height }: Rectangle,
  { rows, columns }: CellGrid,
  selected: Uint8Array,
  theme: Theme,
  line: number,
): void {
  const at = (row: number, column: number): boolean =>
    row >= 0 && column >= 0 && row < rows && column < columns && selected[row * columns + column] === 1;
  context.save();
  context.beginPath();
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      if (!at(row, column)) continue;
      const [left, right] = [edge(x, width, columns, column), edge(x, width, columns, column + 1)];
      const [top, bottom] = [edge(y, height, rows, row), edge(y, height, rows, row + 1)];
      const segments: readonly (readonly [boolean, number, number, number, number])[] = [
        [at(row - 1, column), left, top, right, top],
        [at(row + 1, column), left, bottom, right, bottom],
        [at(row, column - 1), left, top, left, bottom],
        [at(row, column + 1), right, top, right, bottom],
      ];
      for (const [inside, fromX, fromY, toX, toY] of segments)
        if (!inside) {
          context.moveTo(fromX, fromY);
          context.lineTo(toX, toY);
        }
    }
  context.lineCap = 'square';
  context.strokeStyle = theme.colour('--fovea-mass-hr');
  context.lineWidth = line;
  context.stroke();
  context.restore();
}

/** Attention to single tokens, on top of what is drawn; tokens that were not selected stay as they are. */
export class TokenHeat {
  private readonly tokens = document.createElement('canvas');

  /**
   * @param values [rows * columns], probability @param mask [rows * columns] of 0 or 1
   * @param opacity strength from 0 to 1; null for opaque
   */
  draw(
    context: CanvasRenderingContext2D,
    place: Rectangle,
    grid: CellGrid,
    values: Float32Array,
    mask: Uint8Array,
    maximum: number,
    opacity: number | null,
    theme: Theme,
  ): void {
    this.tokens.width = grid.columns;
    this.tokens.height = grid.rows;
    const own = context2d(this.tokens);
    const image = own.createImageData(grid.columns, grid.rows);
    for (let token = 0; token < values.length; token++) {
      if (!mask[token]) continue;
      const index = tableIndex(values[token]!, maximum);
      image.data.set(theme.detailColours.subarray(index * 3, index * 3 + 3), token * 4);
      image.data[token * 4 + 3] = opacity === null ? 255 : Math.round(255 * overlayAlpha(index / 255) * opacity);
    }
    own.putImageData(image, 0, 0);
    context.save();
    context.imageSmoothingEnabled = false;
    context.drawImage(this.tokens, place.x, place.y, place.width, place.height);
    context.restore();
  }
}
