import type { ImageDescription, VisualTokens } from '../../trace/schema.ts';

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The image region: a grid of whole-pixel patches, over the part of the picture that the model saw. */
export interface ImageGeometry {
  /** CSS pixels per patch, whole. */
  readonly patch: number;
  readonly columns: number;
  readonly rows: number;
  /** Size of what the model saw, CSS pixels at zoom 1. */
  readonly width: number;
  readonly height: number;
  /** Where the whole picture lies in those pixels; beyond the region where it was cropped, inside where padded. */
  readonly picture: Rectangle;
  /** Share of the picture that the model did not see, 0 to 1. */
  readonly unseen: number;
  /** Whether some of what the model saw is not picture. */
  readonly padded: boolean;
  /** The smallest zoom, at which the whole picture is in sight. */
  readonly leastZoom: number;
}

/** The largest whole patch size at which the grid fits `side` pixels both ways; never under 1. */
export function patchSize(grid: VisualTokens['grid'], side: number): number {
  return Math.max(1, Math.floor(side / Math.max(grid.rows, grid.columns)));
}

export function imageGeometry(
  image: Pick<ImageDescription, 'crop' | 'width' | 'height'>,
  grid: VisualTokens['grid'],
  side: number,
): ImageGeometry {
  const patch = patchSize(grid, side);
  const [width, height] = [patch * grid.columns, patch * grid.rows];
  const { crop } = image;
  const [scaleX, scaleY] = [width / crop.width, height / crop.height];
  const picture = {
    x: -crop.x * scaleX,
    y: -crop.y * scaleY,
    width: image.width * scaleX,
    height: image.height * scaleY,
  };
  const seenWidth = Math.max(0, Math.min(crop.x + crop.width, image.width) - Math.max(crop.x, 0));
  const seenHeight = Math.max(0, Math.min(crop.y + crop.height, image.height) - Math.max(crop.y, 0));
  const right = Math.max(width, picture.x + picture.width);
  const bottom = Math.max(height, picture.y + picture.height);
  const extent = { width: right - Math.min(0, picture.x), height: bottom - Math.min(0, picture.y) };
  return {
    patch,
    columns: grid.columns,
    rows: grid.rows,
    width,
    height,
    picture,
    unseen: Math.max(0, 1 - (seenWidth * seenHeight) / (image.width * image.height)),
    padded: seenWidth < crop.width - 0.5 || seenHeight < crop.height - 0.5,
    leastZoom: Math.min(1, width / extent.width, height / extent.height),
  };
}

/** Index of the patch under a point of the unzoomed region; undefined outside. */
export function patchAt(geometry: ImageGeometry, x: number, y: number): number | undefined {
  const column = Math.floor(x / geometry.patch);
  const row = Math.floor(y / geometry.patch);
  if (column < 0 || row < 0 || column >= geometry.columns || row >= geometry.rows) return undefined;
  return row * geometry.columns + column;
}

/** Whether the patch shows padding only, no part of the picture; such a patch cannot be locked. */
export function isPadding(geometry: ImageGeometry, patch: number): boolean {
  const x = (patch % geometry.columns) * geometry.patch;
  const y = Math.floor(patch / geometry.columns) * geometry.patch;
  const { picture } = geometry;
  return (
    x + geometry.patch <= picture.x ||
    y + geometry.patch <= picture.y ||
    x >= picture.x + picture.width ||
    y >= picture.y + picture.height
  );
}

type Grid = Pick<ImageGeometry, 'rows' | 'columns'>;

/** The patch of another grid over the same picture that holds the centre of this one; the same one in the same grid. */
export function samePlace(patch: number, from: Grid, to: Grid): number {
  if (from.rows === to.rows && from.columns === to.columns) return patch;
  const row = Math.floor(((Math.floor(patch / from.columns) + 0.5) / from.rows) * to.rows);
  const column = Math.floor((((patch % from.columns) + 0.5) / from.columns) * to.columns);
  return row * to.columns + column;
}
