import type { HighResolution } from '../../trace/high-resolution.ts';
import type { ImageDescription } from '../../trace/schema.ts';
import type { ImageGeometry, Rectangle } from '../image/geometry.ts';

interface GridSize {
  readonly rows: number;
  readonly columns: number;
}

/** Where the high-resolution grid lies, in the pixels in which `geometry` is. */
export function detailPlace(
  geometry: Pick<ImageGeometry, 'picture'>,
  image: Pick<ImageDescription, 'width' | 'height'>,
  { crop }: Pick<HighResolution, 'crop'>,
): Rectangle {
  const { picture } = geometry;
  const [scaleX, scaleY] = [picture.width / image.width, picture.height / image.height];
  return {
    x: picture.x + crop.x * scaleX,
    y: picture.y + crop.y * scaleY,
    width: crop.width * scaleX,
    height: crop.height * scaleY,
  };
}

/** The cell that lies under the middle of a patch of the low-resolution image; undefined where none does. */
export function cellOfPatch(
  patch: number,
  geometry: ImageGeometry,
  place: Rectangle,
  cells: GridSize,
): number | undefined {
  const x = ((patch % geometry.columns) + 0.5) * geometry.patch;
  const y = (Math.floor(patch / geometry.columns) + 0.5) * geometry.patch;
  const column = Math.floor(((x - place.x) / place.width) * cells.columns);
  const row = Math.floor(((y - place.y) / place.height) * cells.rows);
  if (column < 0 || row < 0 || column >= cells.columns || row >= cells.rows) return undefined;
  return row * cells.columns + column;
}

/** Sum of the values of the tokens whose middle lies on the patch. @param values [tokens] */
export function sumOnPatch(
  values: Float32Array,
  patch: number,
  geometry: ImageGeometry,
  place: Rectangle,
  grid: GridSize,
): number {
  const left = (patch % geometry.columns) * geometry.patch;
  const top = Math.floor(patch / geometry.columns) * geometry.patch;
  const columns = tokensBetween(left, left + geometry.patch, place.x, place.width, grid.columns);
  const rows = tokensBetween(top, top + geometry.patch, place.y, place.height, grid.rows);
  let sum = 0;
  for (let row = rows.first; row < rows.end; row++)
    for (let column = columns.first; column < columns.end; column++) sum += values[row * grid.columns + column]!;
  return sum;
}

/** Tokens whose middle is at or after `from` and before `to`. */
function tokensBetween(
  from: number,
  to: number,
  start: number,
  length: number,
  count: number,
): { first: number; end: number } {
  const index = (at: number): number => Math.max(0, Math.min(count, Math.ceil(((at - start) / length) * count - 0.5)));
  return { first: index(from), end: index(to) };
}
