import { patchSize } from './image/geometry.ts';

export type LayoutMode = 'wide' | 'medium' | 'stacked' | 'narrow';

/** Where layers lie in the canvas and the axis: layer l starts at `left + pitch * (l - first)`. */
export interface LayerColumns {
  readonly pitch: number;
  /** First layer in sight and how many are; all of them unless there are more than fit. */
  readonly first: number;
  readonly count: number;
}

/** Sizes in CSS pixels that follow from the width of the window and the shape of the run. */
export interface Layout {
  readonly mode: LayoutMode;
  /** Room for the image, square. */
  readonly imageSide: number;
  readonly canvasWidth: number;
  /** Width of the labels left of the first column. */
  readonly gutter: number;
  readonly columns: LayerColumns;
  /** Size of one head map and the distance from one to the next downwards. */
  readonly map: { readonly width: number; readonly height: number; readonly pitch: number };
  /** Height in which the head maps scroll. */
  readonly gridHeight: number;
  readonly axis: {
    readonly decoderLeft: number;
    readonly decoderTile: number;
    readonly visionLeft: number;
    readonly visionPitch: number;
    readonly visionTile: number;
  };
}

export interface RunShape {
  readonly layers: number;
  readonly heads: number;
  readonly visionLayers: number;
  readonly grid: { readonly rows: number; readonly columns: number };
}

const leastPitch = 14;
const narrowPitch = 55;
/** In a wide window that is not tall, the image gives way down to this side so that the readout stays in sight. */
const leastWideImage = 360;
/** Above and below the image in a wide window: run bar, token strip, margins, legend, readout and depth axis. */
const aroundImage = 108 + 12 + 44 + 147 + 100;
/** Run bar, token strip and depth axis, and in the canvas its title, the masses and their title. */
const fixedHeight = 40 + 69 + 102;
const aroundGrid = 6 + 26 + 16 + 28 + 90 + 8;

export function layoutFor(width: number, height: number, run: RunShape, chosenLayer: number): Layout {
  const mode: LayoutMode = width >= 1280 ? 'wide' : width >= 900 ? 'medium' : width >= 640 ? 'stacked' : 'narrow';
  const column = mode === 'wide' ? 432 : mode === 'medium' ? 384 : Math.min(432, width - 48);
  const imageRoom = mode === 'wide' ? Math.max(leastWideImage, Math.min(column, height - aroundImage)) : column;
  const imageSide = patchSize(run.grid, imageRoom) * Math.max(run.grid.rows, run.grid.columns);
  const beside = mode === 'wide' || mode === 'medium';
  const canvasLeft = beside ? 16 + column + 24 : 16;
  const canvasWidth = width - canvasLeft - 16;
  const gutter = mode === 'narrow' ? 0 : 40;
  const room = canvasWidth - gutter;
  const count = mode === 'narrow' ? run.layers : Math.min(run.layers, Math.floor(room / leastPitch));
  const pitch = mode === 'narrow' ? narrowPitch : Math.min(120, Math.floor(room / Math.max(1, count)));
  const first = Math.max(0, Math.min(run.layers - count, chosenLayer - Math.floor(count / 2)));
  const gridHeight = mode === 'wide' ? Math.max(300, height - fixedHeight - aroundGrid) : 480;
  const visionRoom = beside ? column : 0;
  const visionPitch = beside ? Math.min(54, Math.floor(visionRoom / Math.max(1, run.visionLayers))) : narrowPitch;
  return {
    mode,
    imageSide,
    canvasWidth,
    gutter,
    columns: { pitch, first, count },
    map: mapSize(run, pitch, mode === 'wide' ? gridHeight : Infinity),
    gridHeight,
    axis: {
      decoderLeft: canvasLeft + gutter,
      decoderTile: tileSize(pitch, run.grid),
      visionLeft: 16,
      visionPitch,
      visionTile: tileSize(visionPitch, run.grid),
    },
  };
}

/** Whole pixels per patch where the column has room for one; else the largest map that fits. */
function mapSize(run: RunShape, pitch: number, height: number): Layout['map'] {
  const { rows, columns } = run.grid;
  const room = pitch - 2;
  let scale = Math.floor(room / columns);
  // Three pixels a patch are easily read; from there on it is worth more to see all heads at once.
  while (scale > 3 && run.heads * (rows * scale + 4) > height) scale--;
  if (scale >= 1)
    return { width: columns * scale, height: rows * scale, pitch: rows * scale + Math.min(4, pitch - columns * scale) };
  const size = Math.max(8, pitch - (pitch > 20 ? 3 : 2));
  const tall = Math.max(4, Math.round((size * rows) / columns));
  return { width: size, height: tall, pitch: tall + (pitch - size) };
}

/** 48 px, one pixel per patch where the columns are closer, less where even that does not fit. */
function tileSize(pitch: number, grid: RunShape['grid']): number {
  const side = Math.max(grid.rows, grid.columns);
  if (pitch >= 52) return side * Math.max(1, Math.floor(48 / side));
  return Math.max(4, Math.min(side, pitch - 2));
}
