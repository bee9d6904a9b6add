/** Pictures of attention for a page without scripts; colours and overlay are those of the panel's light theme. */
import sharp from 'sharp';
import type { ImageDescription } from '../../trace/schema.ts';
import { magma } from '../cli/half-blocks.ts';

export interface Grid {
  readonly rows: number;
  readonly columns: number;
}

export interface EncodedPicture {
  readonly mime: 'image/png' | 'image/webp';
  readonly bytes: Uint8Array;
  readonly width: number;
  readonly height: number;
}

type Rgb = readonly [number, number, number];

/** Pixels along the still's longer side, rounded down to whole patches: 185 dots per inch at 92 mm. */
const stillSide = 672;
/** A photograph that takes more as PNG is stored as WebP. */
const losslessBytes = 400_000;
const greyShare = 0.6;

/** Colour of `value`, 0 to 1: magma from its light end, the first 18 % blended to white. */
export function heatColour(value: number): Rgb {
  const [red, green, blue] = magma(1 - value * 0.93);
  const white = Math.max(0, 1 - value / 0.18);
  const blend = (channel: number): number => Math.round(channel + (255 - channel) * white);
  return [blend(red), blend(green), blend(blue)];
}

const overlayStrength = (value: number): number => 0.28 + 0.62 * Math.sqrt(value);

/** One pixel per patch, to the map's own maximum; enlarged by whoever shows it. */
export async function heatMap(map: Float32Array, grid: Grid, scale = 1): Promise<Uint8Array> {
  const maximum = map.reduce((most, value) => Math.max(most, value), 0);
  const [width, height] = [grid.columns * scale, grid.rows * scale];
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const value = map[Math.floor(y / scale) * grid.columns + Math.floor(x / scale)]!;
      pixels.set(heatColour(maximum > 0 ? value / maximum : 0), (y * width + x) * 3);
    }
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png({ palette: true })
    .toBuffer();
}

export interface StillParts {
  readonly display: Uint8Array;
  readonly image: Pick<ImageDescription, 'width' | 'height' | 'crop' | 'display'>;
  readonly grid: Grid;
  /** [patches] */
  readonly map: Float32Array;
  /** Top of the scale, which other pictures may share. */
  readonly maximum: number;
}

/** Whole pixels a patch. */
export function stillSize(grid: Grid): { readonly patch: number; readonly width: number; readonly height: number } {
  const patch = Math.max(1, Math.floor(stillSide / Math.max(grid.rows, grid.columns)));
  return { patch, width: patch * grid.columns, height: patch * grid.rows };
}

/** The part of the picture that the model saw, greyed, with the attention on it and its peak framed. */
export async function attentionStill(parts: StillParts, lossless: boolean): Promise<EncodedPicture> {
  const { grid, map, maximum } = parts;
  const { patch, width, height } = stillSize(grid);
  const pixels = await seenPart(parts, width, height);
  const highest = map.reduce((most, value) => Math.max(most, value), 0);
  const peak = map.indexOf(highest);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const index = Math.floor(y / patch) * grid.columns + Math.floor(x / patch);
      const value = maximum > 0 ? Math.min(1, map[index]! / maximum) : 0;
      const at = (y * width + x) * 3;
      const [red, green, blue] = [pixels[at]!, pixels[at + 1]!, pixels[at + 2]!];
      const grey = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
      const strength = overlayStrength(value);
      const colour = heatColour(value);
      [red, green, blue].forEach((channel, i) => {
        const ground = channel + (grey - channel) * greyShare;
        pixels[at + i] = Math.round(ground + (colour[i]! - ground) * strength);
      });
    }
  }
  if (highest > 0) framePeak(pixels, width, height, patch, peak % grid.columns, Math.floor(peak / grid.columns));
  const picture = sharp(pixels, { raw: { width, height, channels: 3 } });
  const png = await picture.clone().png().toBuffer();
  if (lossless || png.length <= losslessBytes) return { mime: 'image/png', bytes: png, width, height };
  return { mime: 'image/webp', bytes: await picture.webp({ quality: 88 }).toBuffer(), width, height };
}

/** [height, width, 3]; what the model saw beyond the picture's edges is white. */
export async function seenPart(
  { display, image }: Pick<StillParts, 'display' | 'image'>,
  width: number,
  height: number,
): Promise<Uint8Array> {
  const canvas = new Uint8Array(width * height * 3).fill(255);
  const { crop } = image;
  const [left, top] = [Math.max(0, crop.x), Math.max(0, crop.y)];
  const [right, bottom] = [Math.min(image.width, crop.x + crop.width), Math.min(image.height, crop.y + crop.height)];
  const to = {
    x: Math.round(((left - crop.x) / crop.width) * width),
    y: Math.round(((top - crop.y) / crop.height) * height),
    width: Math.round(((right - left) / crop.width) * width),
    height: Math.round(((bottom - top) / crop.height) * height),
  };
  if (!(to.width > 0 && to.height > 0)) return canvas;
  const { width: fileWidth, height: fileHeight } = await sharp(display).metadata();
  const [scaleX, scaleY] = [fileWidth / image.width, fileHeight / image.height];
  const from = {
    left: Math.min(fileWidth - 1, Math.round(left * scaleX)),
    top: Math.min(fileHeight - 1, Math.round(top * scaleY)),
  };
  const part = await sharp(display)
    .extract({
      ...from,
      width: Math.max(1, Math.min(fileWidth - from.left, Math.round((right - left) * scaleX))),
      height: Math.max(1, Math.min(fileHeight - from.top, Math.round((bottom - top) * scaleY))),
    })
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .resize(to.width, to.height, { fit: 'fill' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { channels } = part.info;
  for (let y = 0; y < to.height && to.y + y < height; y++)
    for (let x = 0; x < to.width && to.x + x < width; x++)
      for (let channel = 0; channel < 3; channel++)
        canvas[((to.y + y) * width + to.x + x) * 3 + channel] =
          part.data[(y * to.width + x) * channels + (channels >= 3 ? channel : 0)]!;
  return canvas;
}

/** White with black in it, so that it is seen on any ground. */
function framePeak(
  pixels: Uint8Array,
  width: number,
  height: number,
  patch: number,
  column: number,
  row: number,
): void {
  const paint = (inset: number, colour: number): void => {
    const [left, top] = [column * patch + inset, row * patch + inset];
    const side = patch - 1 - 2 * inset;
    for (let i = 0; i <= side; i++)
      for (const [x, y] of [
        [left + i, top],
        [left + i, top + side],
        [left, top + i],
        [left + side, top + i],
      ] as const)
        if (x >= 0 && y >= 0 && x < width && y < height)
          pixels.fill(colour, (y * width + x) * 3, (y * width + x) * 3 + 3);
  };
  for (const inset of [-2, -1]) paint(inset, 255);
  for (const inset of [0, 1]) paint(inset, 0);
}
