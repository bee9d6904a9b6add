import { context2d, fitCanvas } from '../element.ts';
import type { Zoom } from '../selection.ts';
import { paintTable, overlayAlpha } from '../colour/colour-map.ts';
import { paintCells, smoothValues } from '../colour/heat.ts';
import type { Theme } from '../colour/theme.ts';
import type { ImageGeometry } from './geometry.ts';

/** Sub-cells per patch side when the overlay is smoothed. */
const smoothing = 8;

/** 45° lines over the path that is clipped at present. */
export function hatch(
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  pitch: number,
  colour: string,
): void {
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = -height; x < width; x += pitch) {
    context.moveTo(x, height);
    context.lineTo(x + height, 0);
  }
  context.stroke();
}

/** The picture itself, as far as it is in sight; what the model did not see is hatched. */
export function drawPicture(
  canvas: HTMLCanvasElement,
  picture: CanvasImageSource | null,
  geometry: ImageGeometry,
  zoom: Zoom,
  theme: Theme,
  colourful: boolean,
): void {
  const { width, height } = geometry;
  const context = fitCanvas(canvas, width, height);
  context.clearRect(0, 0, width, height);
  hatch(context, width, height, 9, theme.colour('--fovea-dropped'));
  if (!picture) return;
  const [left, top] = [zoom.x, zoom.y];
  const place = geometry.picture;
  const x = left + place.x * zoom.k;
  const y = top + place.y * zoom.k;
  const drawn = { x, y, width: place.width * zoom.k, height: place.height * zoom.k };
  context.save();
  context.imageSmoothingQuality = 'high';
  if (!colourful) context.filter = 'grayscale(0.6)';
  context.drawImage(picture, drawn.x, drawn.y, drawn.width, drawn.height);
  context.restore();
  const seen = { x: left, y: top, width: width * zoom.k, height: height * zoom.k };
  // Of the picture, what lies outside the seen part.
  context.save();
  context.beginPath();
  context.rect(drawn.x, drawn.y, drawn.width, drawn.height);
  context.rect(seen.x, seen.y, seen.width, seen.height);
  context.clip('evenodd');
  context.fillStyle = theme.colour('--fovea-scrim');
  context.fillRect(drawn.x, drawn.y, drawn.width, drawn.height);
  hatch(context, width, height, 9, theme.colour('--fovea-dropped'));
  context.restore();
  outsideWords(context, drawn, seen, { width, height }, theme);
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** "outside the crop", where there is room for the words. */
function outsideWords(
  context: CanvasRenderingContext2D,
  drawn: Box,
  seen: Box,
  region: { width: number; height: number },
  theme: Theme,
): void {
  const text = 'outside the crop';
  context.font = `11px ${theme.colour('--vscode-font-family') || 'sans-serif'}`;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  const room = context.measureText(text).width + 12;
  const above = Math.min(seen.y, region.height) - Math.max(0, drawn.y);
  const before = Math.min(seen.x, region.width) - Math.max(0, drawn.x);
  const vertical = above > 20;
  if (!vertical && before <= 20) return;
  context.save();
  if (vertical) context.translate(region.width / 2, Math.max(0, drawn.y) + above / 2);
  else {
    context.translate(Math.max(0, drawn.x) + before / 2, region.height / 2);
    context.rotate(-Math.PI / 2);
  }
  context.fillStyle = theme.colour('--vscode-editor-background');
  context.fillRect(-room / 2, -9, room, 18);
  context.fillStyle = theme.colour('--vscode-foreground');
  context.fillText(text, 0, 0);
  context.restore();
}

export interface OverlayStyle {
  readonly maximum: number;
  /** Strength of the overlay, 0 to 1. */
  readonly opacity: number;
  readonly smooth: boolean;
}

/** The heat, one cell per patch (or smoothed), in a canvas of its own resolution that is stretched when drawn. */
export class HeatLayer {
  private readonly cells = document.createElement('canvas');

  paint(values: Float32Array, geometry: ImageGeometry, style: OverlayStyle, theme: Theme): void {
    const factor = style.smooth ? smoothing : 1;
    const { columns, rows } = geometry;
    this.cells.width = columns * factor;
    this.cells.height = rows * factor;
    const context = context2d(this.cells);
    const image = context.createImageData(this.cells.width, this.cells.height);
    const shown = style.smooth ? smoothValues(values, columns, rows, factor) : values;
    const table = paintTable(theme.colours, t => overlayAlpha(t) * style.opacity);
    const { width, height } = this.cells;
    paintCells(image.data, width, 0, 0, shown, 0, width, height, style.maximum, table);
    context.putImageData(image, 0, 0);
  }

  draw(canvas: HTMLCanvasElement, geometry: ImageGeometry, zoom: Zoom, smooth: boolean): CanvasRenderingContext2D {
    const context = fitCanvas(canvas, geometry.width, geometry.height);
    context.clearRect(0, 0, geometry.width, geometry.height);
    context.save();
    context.imageSmoothingEnabled = smooth;
    context.drawImage(this.cells, zoom.x, zoom.y, geometry.width * zoom.k, geometry.height * zoom.k);
    context.restore();
    return context;
  }
}

/** Hatches single patches: hidden outliers. */
export function hatchPatches(
  context: CanvasRenderingContext2D,
  patches: Uint8Array,
  geometry: ImageGeometry,
  zoom: Zoom,
  theme: Theme,
): void {
  const size = geometry.patch * zoom.k;
  context.save();
  context.beginPath();
  for (let i = 0; i < patches.length; i++)
    if (patches[i])
      context.rect(
        zoom.x + (i % geometry.columns) * size,
        zoom.y + Math.floor(i / geometry.columns) * size,
        size,
        size,
      );
  context.clip();
  context.fillStyle = theme.colour('--fovea-scrim');
  context.fillRect(0, 0, geometry.width, geometry.height);
  hatch(context, geometry.width, geometry.height, 5, theme.colour('--fovea-dropped'));
  context.restore();
}

/** The frame around a patch: halo and line, so that it is seen on any ground. */
export function framePatch(
  context: CanvasRenderingContext2D,
  patch: number,
  geometry: ImageGeometry,
  zoom: Zoom,
  theme: Theme,
  locked: boolean,
): void {
  const size = geometry.patch * zoom.k;
  const x = zoom.x + (patch % geometry.columns) * size;
  const y = zoom.y + Math.floor(patch / geometry.columns) * size;
  context.strokeStyle = theme.colour('--fovea-lock-halo');
  context.lineWidth = locked ? 6 : 4;
  context.strokeRect(x, y, size, size);
  context.strokeStyle = theme.colour('--fovea-lock');
  context.lineWidth = locked ? 3 : 2;
  context.strokeRect(x, y, size, size);
}
