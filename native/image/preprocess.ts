/** From a decoded image to what the vision tower takes, step by step as the Hugging Face processors do it. */
import { FoveaError } from '../errors.ts';
import type { ProcessorSettings, Size } from './processor-settings.ts';
import { resample, type OutputWindow, type ResamplingFilter, type RowSource } from './resample.ts';

export interface RgbImage extends Size {
  /** [height, width, 3], sRGB, 0 to 255 */
  readonly rgb: Uint8Array;
}

export interface ModelInput extends RgbImage {
  /** Normalised pixels [3, height, width], as the vision tower takes them. */
  readonly pixels: Float32Array;
  /** The part of the image that the input covers, in its pixels; beyond its edges where it was padded. */
  readonly crop: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
}

/** The steps of `settings` in their order: pad, resize, crop, rescale, normalise. */
export function prepareImage(image: RgbImage, settings: ProcessorSettings): ModelInput {
  const padded = settings.pad ? padToSquare(image, settings.mean) : { source: rowsOf(image), left: 0, top: 0 };
  const resized = resizedSize(padded.source, settings);
  const input = settings.crop ?? resized;
  const left = Math.floor((resized.width - input.width) / 2);
  const top = Math.floor((resized.height - input.height) / 2);
  const rgb = cropAndResize(padded.source, resized, settings.resize?.filter ?? 'nearest', left, top, input);
  const scaleX = padded.source.width / resized.width;
  const scaleY = padded.source.height / resized.height;
  return {
    rgb,
    width: input.width,
    height: input.height,
    pixels: normalizePixels(rgb, settings),
    crop: {
      x: left * scaleX - padded.left,
      y: top * scaleY - padded.top,
      width: input.width * scaleX,
      height: input.height * scaleY,
    },
  };
}

/** @throws FoveaError `shape-mismatch` when the settings do not end in `imageSize` x `imageSize` pixels */
export function checkInputSize(image: Size, settings: ProcessorSettings, imageSize: number): void {
  const side = Math.max(image.width, image.height);
  const input = settings.crop ?? resizedSize(settings.pad ? { width: side, height: side } : image, settings);
  if (input.width === imageSize && input.height === imageSize) return;
  throw new FoveaError(
    'shape-mismatch',
    `The image processor (${settings.source}) makes ${input.width} x ${input.height} pixels of this image, but the vision tower takes ${imageSize} x ${imageSize}.`,
    'Set "size" and "crop_size" in preprocessor_config.json to the "image_size" of the vision tower.',
  );
}

function rowsOf({ rgb, width, height }: RgbImage): RowSource {
  return {
    width,
    height,
    readRow: (y, target) => {
      target.set(rgb.subarray(y * width * 3, (y + 1) * width * 3));
    },
  };
}

/** The image in the middle of a square of the mean colour; the square itself is never built. */
function padToSquare(image: RgbImage, mean: readonly number[]): { source: RowSource; left: number; top: number } {
  const side = Math.max(image.width, image.height);
  const left = Math.floor((side - image.width) / 2);
  const top = Math.floor((side - image.height) / 2);
  const background = new Uint8Array(side * 3);
  const colour = mean.map(value => Math.trunc(value * 255));
  for (let x = 0; x < side; x++) background.set(colour, x * 3);
  const readRow = (y: number, target: Uint8Array): void => {
    target.set(background);
    const row = y - top;
    if (row < 0 || row >= image.height) return;
    target.set(image.rgb.subarray(row * image.width * 3, (row + 1) * image.width * 3), left * 3);
  };
  return { source: { width: side, height: side, readRow }, left, top };
}

/** Size after resizing; the long edge is truncated, as transformers' `get_resize_output_image_size` does. */
function resizedSize({ width, height }: Size, { resize }: Pick<ProcessorSettings, 'resize'>): Size {
  if (!resize) return { width, height };
  if ('width' in resize.to) return resize.to;
  const { shortestEdge } = resize.to;
  const long = Math.trunc((shortestEdge * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? { width: shortestEdge, height: long } : { width: long, height: shortestEdge };
}

/** Only the crop of the resized image is computed; where the crop is larger than the image it stays black. */
function cropAndResize(
  source: RowSource,
  resized: Size,
  filter: ResamplingFilter,
  left: number,
  top: number,
  crop: Size,
): Uint8Array {
  const window: OutputWindow = {
    left: Math.max(0, left),
    top: Math.max(0, top),
    right: Math.min(resized.width, left + crop.width),
    bottom: Math.min(resized.height, top + crop.height),
  };
  const part = resample(source, resized.width, resized.height, filter, window);
  if (part.length === crop.width * crop.height * 3) return part;
  const rgb = new Uint8Array(crop.width * crop.height * 3);
  const rowBytes = (window.right - window.left) * 3;
  for (let y = window.top; y < window.bottom; y++) {
    const row = part.subarray((y - window.top) * rowBytes, (y - window.top + 1) * rowBytes);
    rgb.set(row, ((y - top) * crop.width + window.left - left) * 3);
  }
  return rgb;
}

/** Rescaled in float64 and rounded, then normalised in float32, as the processors do with NumPy. */
export function normalizePixels(rgb: Uint8Array, { rescale, normalize }: ProcessorSettings): Float32Array {
  const plane = rgb.length / 3;
  const pixels = new Float32Array(rgb.length);
  const levels = new Float32Array(256);
  for (let channel = 0; channel < 3; channel++) {
    for (let value = 0; value < 256; value++) {
      const rescaled = rescale === undefined ? value : Math.fround(value * rescale);
      levels[value] = normalize
        ? Math.fround(rescaled - Math.fround(normalize.mean[channel]!)) / Math.fround(normalize.deviation[channel]!)
        : rescaled;
    }
    for (let i = 0; i < plane; i++) pixels[channel * plane + i] = levels[rgb[i * 3 + channel]!]!;
  }
  return pixels;
}

/** The colours that are nearest to normalised pixels, [height, width, 3]. */
export function denormalizePixels(pixels: Float32Array, { rescale, normalize }: ProcessorSettings): Uint8Array {
  const plane = pixels.length / 3;
  const rgb = new Uint8Array(pixels.length);
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < plane; i++) {
      const value = pixels[channel * plane + i]!;
      const rescaled = normalize ? value * normalize.deviation[channel]! + normalize.mean[channel]! : value;
      rgb[i * 3 + channel] = Math.max(0, Math.min(255, Math.round(rescaled / (rescale ?? 1))));
    }
  }
  return rgb;
}
