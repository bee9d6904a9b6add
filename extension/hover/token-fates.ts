/** What a token method did to the picture, for the hover: counts, and a small picture of it. */
import type { TraceReader } from '../../trace/reader.ts';
import { fateNames, meanEntering } from '../../trace/fates.ts';
import type { RunMetadata } from '../../trace/schema.ts';

export interface TokenFates {
  /** Patches by what became of them in the end; `merged` ones live on in a token with others. */
  readonly kept: number;
  readonly merged: number;
  readonly dropped: number;
  /** Visual tokens before the first stage and after the last. */
  readonly before: number;
  readonly after: number;
  /** Mean over decoder layers of the visual tokens entering. */
  readonly meanEntering: number;
  /** [patches] */
  readonly fates: readonly PatchFate[];
}

export type PatchFate = 'kept' | 'merged' | 'dropped';

/** Of more stages and patches a hover does not read. */
const mostBytes = 4_000_000;

/** @returns undefined for a run without stages, or without their values */
export async function readTokenFates(trace: TraceReader): Promise<TokenFates | undefined> {
  const { reduction, visual } = trace.metadata;
  const patches = visual.grid.rows * visual.grid.columns;
  const stages = reduction?.stages ?? [];
  if (!reduction || stages.length === 0 || !trace.tensors['fates.fate'] || stages.length * patches > mostBytes)
    return undefined;
  const { data } = await trace.slice('fates.fate');
  const fates = Array.from({ length: patches }, (_, patch): PatchFate => {
    const story = stages.map((_stage, stage) => fateNames[data[stage * patches + patch]!]);
    const last = story.at(-1);
    if (last === 'dropped' || last === 'absent' || last === undefined) return 'dropped';
    return story.includes('merged') ? 'merged' : 'kept';
  });
  const count = (fate: PatchFate): number => fates.filter(each => each === fate).length;
  return {
    kept: count('kept'),
    merged: count('merged'),
    dropped: count('dropped'),
    before: reduction.visualTokens,
    after: stages.at(-1)!.leaving,
    meanEntering: meanEntering(reduction.layers),
    fates,
  };
}

/**
 * The thumbnail with what was dropped under a hatched veil and merged patches outlined, as SVG around the encoded bytes, so
 * that nothing need be decoded here.
 * @param thumbnail data URI @param size of the thumbnail in pixels
 */
export function fatesPicture(
  { fates }: TokenFates,
  thumbnail: string,
  size: { readonly width: number; readonly height: number },
  { image, visual: { grid } }: Pick<RunMetadata, 'image' | 'visual'>,
): string {
  const { crop } = image;
  const [scaleX, scaleY] = [size.width / image.width, size.height / image.height];
  const [left, top] = [crop.x * scaleX, crop.y * scaleY];
  const [cellX, cellY] = [(crop.width * scaleX) / grid.columns, (crop.height * scaleY) / grid.rows];
  // Cells as one path in units of the grid: neighbours in a row are one rectangle.
  const pathOf = (fate: PatchFate, joined: boolean): string => {
    let path = '';
    for (let row = 0; row < grid.rows; row++)
      for (let column = 0; column < grid.columns;) {
        let end = column;
        while (end < grid.columns && fates[row * grid.columns + end] === fate && (joined || end === column)) end++;
        if (end > column) path += `M${column} ${row}h${end - column}v1H${column}z`;
        column = Math.max(end, column + 1);
      }
    return path;
  };
  const place = `transform="translate(${round(left)} ${round(top)}) scale(${round(cellX)} ${round(cellY)})"`;
  const [width, height] = [size.width, size.height];
  const outside = `M0 0H${width}V${height}H0zM${round(left)} ${round(top)}v${round(cellY * grid.rows)}h${round(cellX * grid.columns)}V${round(top)}z`;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">` +
    `<defs><pattern id="h" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">` +
    `<path d="M0 0V5" stroke="#8a8a8a" stroke-width="1.4"/></pattern>` +
    `<clipPath id="d"><path ${place} d="${pathOf('dropped', true)}"/></clipPath></defs>` +
    `<image width="${width}" height="${height}" preserveAspectRatio="none" href="${thumbnail}"/>` +
    `<path d="${outside}" fill="#101010" fill-opacity=".8" fill-rule="evenodd"/>` +
    `<g clip-path="url(#d)"><rect width="${width}" height="${height}" fill="#101010" fill-opacity=".8"/>` +
    `<rect width="${width}" height="${height}" fill="url(#h)"/></g>` +
    `<path ${place} d="${pathOf('merged', false)}" fill="none" stroke="#56b4e9" stroke-width=".14"/></svg>`;
  return `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`;
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
