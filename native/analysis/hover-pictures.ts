/** The small pictures of a run, made once and kept in its trace, so that a hover shows them without native code. */
import { interpolateMagma } from 'd3';
import sharp from 'sharp';
import { fromHalf } from '../../trace/half.ts';
import { type HoverDescription, type RunMetadata, tensorSpecs, thumbnailSide } from '../../trace/schema.ts';
import type { TraceTensors } from '../../trace/writer.ts';
import type { RgbImage } from '../image/preprocess.ts';
import { summarizeAnswer } from './answer-attention.ts';

export interface HoverPictures {
  readonly tensors: TraceTensors;
  /** Absent when there is no answer whose attention could be shown. */
  readonly hover?: HoverDescription;
}

type Rgb = readonly [red: number, green: number, blue: number];

/** Tried in this order until the picture is small enough. */
const webpQualities = [80, 65, 50, 35, 20, 5];
/** What the model did not see lies under this, as what was dropped does in the panel. */
const scrim: Rgb = [0x10, 0x10, 0x10];
const scrimOpacity = 0.8;

/** @param tensors with `decoder.attention_to_image` in half precision */
export async function makeHoverPictures(
  image: RgbImage,
  metadata: RunMetadata,
  tensors: TraceTensors,
): Promise<HoverPictures> {
  const thumbnail = await shrinkImage(image);
  const thumbnailBytes = await encodeWebp(thumbnail, tensorSpecs['image.thumbnail'].largest);
  const thumbnailTensor: TraceTensors = {
    'image.thumbnail': { dtype: 'U8', shape: [thumbnailBytes.length], data: thumbnailBytes },
  };
  const attention = tensors['decoder.attention_to_image'];
  const summary =
    attention && (await summarizeAnswer(metadata, row => rowOf(attention.data, row, attention.shape[0]!)));
  if (!summary) return { tensors: thumbnailTensor };
  const overlay = paintAttention(thumbnail, metadata, summary.map, summary.maximum);
  const overlayBytes = await encodeWebp(overlay, tensorSpecs['hover.answer_overlay'].largest);
  return {
    tensors: {
      ...thumbnailTensor,
      'hover.answer_overlay': { dtype: 'U8', shape: [overlayBytes.length], data: overlayBytes },
    },
    hover: { layer: summary.layer, heads: 'mean', maximum: summary.maximum },
  };
}

/** @param halves [rows, …] @returns the values of one row */
function rowOf(halves: Uint8Array, row: number, rows: number): Float32Array {
  const length = halves.byteLength / 2 / rows;
  return fromHalf(new Uint16Array(halves.buffer, halves.byteOffset + row * length * 2, length));
}

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
  { image, visual: { grid } }: RunMetadata,
  map: Float32Array,
  maximum: number,
): RgbImage {
  const painted = new Uint8Array(rgb.length);
  for (let y = 0; y < height; y++) {
    const row = cellAt(((y + 0.5) / height) * image.height, image.crop.y, image.crop.height, grid.rows);
    for (let x = 0; x < width; x++) {
      const column = cellAt(((x + 0.5) / width) * image.width, image.crop.x, image.crop.width, grid.columns);
      const seen = row !== undefined && column !== undefined;
      const t = seen && maximum > 0 ? map[row * grid.columns + column]! / maximum : 0;
      const colour = seen ? magma(t) : scrim;
      const opacity = seen ? 0.28 + 0.62 * Math.sqrt(t) : scrimOpacity;
      for (let channel = 0; channel < 3; channel++) {
        const at = (y * width + x) * 3 + channel;
        painted[at] = Math.round(rgb[at]! * (1 - opacity) + colour[channel]! * opacity);
      }
    }
  }
  return { rgb: painted, width, height };
}

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
