/** Canvas painting of the three images of a comparison. */
import type { Theme } from '../colour/theme.ts';
import type { ImageGeometry } from '../image/geometry.ts';
import { drawDropped, drawGroups, drawRescued, placeOf } from '../pruning/fate-drawing.ts';
import type { FateState, RunFates } from '../pruning/run-fates.ts';
import { dropOrder } from '../pruning/stages.ts';
import type { Zoom } from '../selection.ts';

export type HatchDirection = 1 | -1;

export interface Ground {
  readonly context: CanvasRenderingContext2D;
  readonly geometry: ImageGeometry;
  readonly zoom: Zoom;
  readonly theme: Theme;
}

/** Differences under this share of the scale get no sign: there is little to see. */
export const signShare = 0.1;

/** What the model saw of the picture, in the whole region. */
export function paintPicture(
  { context, geometry, zoom }: Ground,
  picture: CanvasImageSource | null,
  filter: string,
): void {
  const { picture: place, width, height } = geometry;
  context.clearRect(0, 0, width, height);
  if (!picture) return;
  context.save();
  context.imageSmoothingQuality = 'high';
  context.filter = filter;
  const { k, x, y } = zoom;
  context.drawImage(picture, x + place.x * k, y + place.y * k, place.width * k, place.height * k);
  context.restore();
}

/** Kept patches as they are, merged ones in an outline around their group, dropped ones behind scrim and hatch. */
export function paintFates({ context, geometry, zoom, theme }: Ground, fates: RunFates, state: FateState): void {
  const place = placeOf(geometry, zoom);
  drawDropped(context, state, dropOrder(fates), place, theme);
  drawGroups(context, fates, state, place, theme);
  drawRescued(context, state, place, theme);
}

/** Patches of both in colour, of one hatched and framed in its colour, of none dark. */
export function paintKeptByOne(ground: Ground, picture: CanvasImageSource | null, a: Uint8Array, b: Uint8Array): void {
  const { context, geometry, theme } = ground;
  paintPicture(ground, picture, 'grayscale(1)');
  context.fillStyle = theme.scheme === 'light' ? 'rgb(255 255 255 / 78%)' : 'rgb(10 10 10 / 62%)';
  context.fillRect(0, 0, geometry.width, geometry.height);
  const where = (test: (patch: number) => boolean): number[] => Array.from(a.keys()).filter(test);
  const both = where(patch => a[patch] === 1 && b[patch] === 1);
  if (both.length > 0 && picture) {
    context.save();
    cells(ground, both);
    context.clip();
    paintPicture({ ...ground, geometry }, picture, 'none');
    context.restore();
  }
  markOne(
    ground,
    where(patch => a[patch] === 1 && b[patch] === 0),
    'A',
    true,
  );
  markOne(
    ground,
    where(patch => a[patch] === 0 && b[patch] === 1),
    'B',
    true,
  );
}

/** Hatch / for A and \ for B, with a frame. */
export function markOne(ground: Ground, patches: readonly number[], letter: 'A' | 'B', filled: boolean): void {
  const { context, theme } = ground;
  const colour = theme.colour(letter === 'A' ? '--fovea-run-a' : '--fovea-run-b');
  hatchCells(ground, patches, {
    fill: filled && !theme.highContrast ? `color-mix(in srgb, ${colour} 38%, transparent)` : 'transparent',
    line: colour,
    pitch: Math.max(4, ground.geometry.patch / 3),
    width: 1.4,
    direction: letter === 'A' ? 1 : -1,
  });
  context.strokeStyle = colour;
  context.lineWidth = 1.4;
  for (const patch of patches) {
    const [x, y, size] = cell(ground, patch);
    context.strokeRect(x + 0.8, y + 0.8, size - 1.6, size - 1.6);
  }
}

interface Hatch {
  readonly fill: string;
  readonly line: string;
  readonly pitch: number;
  readonly width: number;
  readonly direction: HatchDirection;
}

function hatchCells(ground: Ground, patches: readonly number[], hatch: Hatch): void {
  if (patches.length === 0) return;
  const { context, geometry } = ground;
  const { width, height } = geometry;
  context.save();
  cells(ground, patches);
  context.clip();
  context.fillStyle = hatch.fill;
  context.fillRect(0, 0, width, height);
  context.strokeStyle = hatch.line;
  context.lineWidth = hatch.width;
  context.beginPath();
  for (let x = -height; x < width + height; x += hatch.pitch) {
    context.moveTo(x, hatch.direction === 1 ? height : 0);
    context.lineTo(x + height, hatch.direction === 1 ? 0 : height);
  }
  context.stroke();
  context.restore();
}

function cells(ground: Ground, patches: readonly number[]): void {
  ground.context.beginPath();
  for (const patch of patches) {
    const [x, y, size] = cell(ground, patch);
    ground.context.rect(x, y, size, size);
  }
}

function cell({ geometry, zoom }: Ground, patch: number): readonly [x: number, y: number, size: number] {
  const size = geometry.patch * zoom.k;
  return [zoom.x + (patch % geometry.columns) * size, zoom.y + Math.floor(patch / geometry.columns) * size, size];
}
