/** The small pictures of a run, made once and kept in its trace, so that a hover shows them without native code. */
import { interpolateMagma } from 'd3';
import sharp from 'sharp';
import { type HoverDescription, type RunMetadata, tensorSpecs, thumbnailSide } from '../../trace/schema.ts';
import type { TraceTensor, TraceTensors } from '../../trace/writer.ts';
import type { RgbImage } from '../image/preprocess.ts';
import type { AttentionSummary } from './answer-attention.ts';

export interface HoverPictures {
  readonly tensors: TraceTensors;
  /** Absent when there is no answer whose attention could be shown. */
  readonly hover?: HoverDescription;
}

type PaintedRun = Pick<RunMetadata, 'image' | 'visual'>;
type Rgb = readonly [red: number, green: number, blue: number];

/** Tried in this order until the picture is small enough. */
const webpQualities = [80, 65, 50, 35, 20, 5];
/** What the model did not see lies under this, as what was dropped does in the panel. */
const scrim: Rgb = [0x10, 0x10, 0x10];
const scrimOpacity = 0.8;

export interface Thumbnail {
  readonly picture: RgbImage;
  /** WebP */
  readonly bytes: Uint8Array;
}

/** @param image whole and oriented */
export async function makeThumbnail(image: RgbImage): Promise<Thumbnail> {
  const picture = await shrinkImage(image);
  return { picture, bytes: await encodeWebp(picture, tensorSpecs['image.thumbnail'].largest) };
}

/** @param summary of the answer; there may be none */
export async function makeHoverPictures(
  thumbnail: Thumbnail,
  run: PaintedRun,
  summary: AttentionSummary | undefined,
): Promise<HoverPictures> {
  const overlay = summary && paintAttention(thumbnail.picture, run, summary.map, summary.maximum);
  const overlayBytes = overlay && (await encodeWebp(overlay, tensorSpecs['hover.answer_overlay'].largest));
  return {
    tensors: {
      'image.thumbnail': encodedTensor(thumbnail.bytes),
      ...(overlayBytes && { 'hover.answer_overlay': encodedTensor(overlayBytes) }),
    },
    ...(summary && { hover: { layer: summary.layer, heads: 'mean', maximum: summary.maximum } }),
  };
}

const encodedTensor = (data: Uint8Array): TraceTensor => ({ dtype: 'U8', shape: [data.length], data });

/** The longest side becomes `thumbnailSide`; small pictures are enlarged, so that patches stay apart. */
async function shrinkImage({ rgb, width, height }: RgbImage): Promise<RgbImage> {
  const factor = thumbnailSide / Math.max(width, height);
  const size = { width: Math.max(1, Math.round(width * factor)), height: Math.max(1, Math.round(height * factor)) };
  const data = await sharp(rgb, { raw: { width, height, channels: 3 }, limitInputPixels: false })
    .resize(size.width, size.height, { fit: 'fill', kernel: factor > 1 ? 'nearest' : 'lanczos3' })
    .raw()
    .toBuffer();
  return { rgb: data, ...size };
}

/**
 * @param thumbnail the whole oriented image
 * @param map [patches], probability
 * @param maximum top of the colour scale
 */
function paintAttention(
  { rgb, width, height }: RgbImage,
  { image, visual: { grid } }: PaintedRun,
  map: Float32Array,
  maximum: number,
): RgbImage {
  // Rounds what is stored into it.
  const painted = new Uint8ClampedArray(rgb.length);
  // What a pixel gets depends on its patch alone: worked out once for each, and once for what was not seen.
  const covers = Array.from(map, (value): Cover => {
    const t = maximum > 0 ? value / maximum : 0;
    return coverOf(magma(t), 0.28 + 0.62 * Math.sqrt(t));
  });
  const unseen = coverOf(scrim, scrimOpacity);
  const columns = Array.from({ length: width }, (_, x) =>
    cellAt(((x + 0.5) / width) * image.width, image.crop.x, image.crop.width, grid.columns),
  );
  for (let y = 0, at = 0; y < height; y++) {
    const row = cellAt(((y + 0.5) / height) * image.height, image.crop.y, image.crop.height, grid.rows);
    for (let x = 0; x < width; x++, at += 3) {
      const column = columns[x];
      const cover = row === undefined || column === undefined ? unseen : covers[row * grid.columns + column]!;
      painted[at] = rgb[at]! * cover.rest + cover.red;
      painted[at + 1] = rgb[at + 1]! * cover.rest + cover.green;
      painted[at + 2] = rgb[at + 2]! * cover.rest + cover.blue;
    }
  }
  return { rgb: new Uint8Array(painted.buffer), width, height };
}

/** A colour times its opacity, and the share of the ground that shows through. */
interface Cover {
  readonly red: number;
  readonly green: number;
  readonly blue: number;
  readonly rest: number;
}

const coverOf = ([red, green, blue]: Rgb, opacity: number): Cover => ({
  red: red * opacity,
  green: green * opacity,
  blue: blue * opacity,
  rest: 1 - opacity,
});

/** The row or column of the patch at a coordinate in pixels of the image; undefined outside of what the model saw. */
function cellAt(pixel: number, start: number, length: number, cells: number): number | undefined {
  const cell = Math.floor(((pixel - start) / length) * cells);
  return cell >= 0 && cell < cells ? cell : undefined;
}

/** One colour a step of 8 bits: 40 000 pixels are painted. */
const magmaSteps: readonly Rgb[] = Array.from({ length: 256 }, (_, step) => {
  const hex = interpolateMagma(step / 255);
  const channel = (start: number): number => Number.parseInt(hex.slice(start, start + 2), 16);
  return [channel(1), channel(3), channel(5)];
});

const magma = (t: number): Rgb => magmaSteps[Math.round(255 * Math.min(1, t))]!;

async function encodeWebp({ rgb, width, height }: RgbImage, largest: number): Promise<Uint8Array> {
  for (const quality of webpQualities) {
    const bytes = await sharp(rgb, { raw: { width, height, channels: 3 } })
      // Little effort: a kilobyte more, three times as fast, and the user is waiting.
      .webp({ quality, effort: 1 })
      .toBuffer();
    if (bytes.length <= largest) return new Uint8Array(bytes);
  }
  // 200 x 200 pixels of noise have half of this at the lowest quality.
  throw new Error(`A picture of ${width} x ${height} pixels cannot be encoded in ${largest} bytes.`);
}
