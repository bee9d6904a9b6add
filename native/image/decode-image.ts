/** Reads an image file of any common kind to upright 8-bit sRGB, and says what had to be done to it. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import sharp, { type Metadata, type SharpOptions } from 'sharp';
import { FoveaError } from '../errors.ts';
import type { RgbImage } from './preprocess.ts';

export interface DecodedImage extends RgbImage {
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  /** sha256 of the file's bytes, hex. */
  readonly digest: string;
  readonly bytes: number;
  readonly format: string;
  /** What was done to an unusual image, in plain words. */
  readonly notes: readonly string[];
  /** The file itself, where a browser shows of it just the pixels decoded here. */
  readonly original?: { readonly bytes: Uint8Array; readonly mime: BrowserImage };
}

export type BrowserImage = 'image/png' | 'image/jpeg' | 'image/webp';
const browserImages: Partial<Record<string, BrowserImage>> = {
  png: 'image/png',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
};

/** 100 megapixels: 300 MB decoded. */
const defaultPixelLimit = 100_000_000;
const largestFile = 2 ** 30;
/** Vector drawings are rendered at least this large, so that small icons keep their detail. */
const vectorSide = 1024;
const formatsHint = 'Use a PNG, JPEG, WebP, GIF, TIFF, AVIF or SVG file.';

/**
 * Decodes the first frame, upright, alpha dropped as PIL's `convert("RGB")` drops it.
 * @throws FoveaError `image-unreadable` or `image-too-large`
 */
export async function decodeImage(path: string, pixelLimit = defaultPixelLimit): Promise<DecodedImage> {
  const bytes = await readImageFile(path);
  const name = basename(path);
  const options: SharpOptions = { failOn: 'truncated', limitInputPixels: false };
  const header = await readHeader(bytes, name, options);
  const { width, height } = header.autoOrient;
  refuseTooLarge(name, width, height, pixelLimit);

  const vector = header.format === 'svg';
  if (vector) options.density = vectorDensity(header, pixelLimit);
  options.ignoreIcc = header.space !== 'cmyk';
  const picture = sharp(bytes, options).autoOrient();
  if (vector) picture.flatten({ background: 'white' });
  const raw = await picture
    .removeAlpha()
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
    .catch((error: unknown) => unreadable(name, error));
  const notes = describeConversions(header, raw.info);
  const mime = browserImages[header.format];
  return {
    rgb: toThreeChannels(raw.data, raw.info.channels),
    width: raw.info.width,
    height: raw.info.height,
    name,
    path: resolve(path),
    digest: createHash('sha256').update(bytes).digest('hex'),
    bytes: bytes.length,
    format: header.format,
    notes,
    ...(mime && notes.length === 0 && !header.icc && { original: { bytes, mime } }),
  };
}

async function readImageFile(path: string): Promise<Buffer> {
  const name = basename(path);
  try {
    const entry = await stat(path);
    if (entry.isDirectory()) {
      throw new FoveaError('image-unreadable', `${path} is a folder.`, 'Name one image in it.');
    }
    if (!entry.isFile()) {
      throw new FoveaError('image-unreadable', `${path} is no regular file.`, 'Save the picture to a file first.');
    }
    const { size } = entry;
    if (size > largestFile) {
      throw new FoveaError(
        'image-too-large',
        `${name} has ${(size / 1e9).toFixed(1)} GB; files up to ${(largestFile / 1e9).toFixed(1)} GB are read.`,
        'Save the picture with compression, or crop it.',
      );
    }
    const bytes = await readFile(path);
    if (bytes.length > 0) return bytes;
  } catch (error) {
    if (error instanceof FoveaError) throw error;
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new FoveaError('image-unreadable', `There is no image ${path}.`, 'Check the path.', { cause: error });
    }
    if (code === 'EACCES' || code === 'EPERM') {
      throw new FoveaError('image-unreadable', `You may not read ${path}.`, 'Check its permissions.', { cause: error });
    }
    return unreadable(name, error);
  }
  throw new FoveaError('image-unreadable', `${name} is empty (0 bytes).`, 'Save or download the picture again.');
}

async function readHeader(bytes: Buffer, name: string, options: SharpOptions): Promise<Metadata> {
  try {
    return await sharp(bytes, options).metadata();
  } catch (error) {
    if (error instanceof Error && error.message.includes('unsupported image format')) {
      throw new FoveaError('image-unreadable', `${name} is not an image that Fovea can read.`, formatsHint, {
        cause: error,
      });
    }
    return unreadable(name, error);
  }
}

function unreadable(name: string, error: unknown): never {
  const reason = (error instanceof Error ? error.message : String(error)).trim().split('\n')[0] ?? '';
  throw new FoveaError(
    'image-unreadable',
    `${name} cannot be decoded: ${reason}.`,
    `The file is damaged or was not saved completely. Save or download it again. ${formatsHint}`,
    { cause: error },
  );
}

function refuseTooLarge(name: string, width: number, height: number, pixelLimit: number): void {
  if (width * height <= pixelLimit) return;
  const factor = Math.sqrt(pixelLimit / (width * height));
  throw new FoveaError(
    'image-too-large',
    `${name} is ${width} x ${height}, ${megapixels(width * height)} megapixels; the limit is ${megapixels(pixelLimit)}.`,
    `Crop it, or scale it to ${Math.floor(width * factor)} x ${Math.floor(height * factor)} or less. The model sees a few hundred pixels a side anyway.`,
  );
}

function megapixels(pixels: number): string {
  const millions = pixels / 1e6;
  return millions.toFixed(millions < 10 ? 1 : 0);
}

/** Dots per inch that bring the longest side to `vectorSide`, within what librsvg and the limit allow. */
function vectorDensity({ autoOrient: { width, height }, density = 72 }: Metadata, pixelLimit: number): number {
  const factor = Math.max(1, Math.min(vectorSide / Math.max(width, height), Math.sqrt(pixelLimit / (width * height))));
  return Math.min(density * factor, 72_000);
}

/** Grey images come out with one channel from some decoders. */
function toThreeChannels(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return data;
  const rgb = new Uint8Array((data.length / channels) * 3);
  for (let i = 0; i < rgb.length / 3; i++) rgb.fill(data[i * channels]!, i * 3, i * 3 + 3);
  return rgb;
}

const orientationWords: Readonly<Record<number, string>> = {
  2: 'mirrored left to right',
  3: 'turned by 180°',
  4: 'mirrored top to bottom',
  5: 'mirrored and turned by 90°',
  6: 'turned right by 90°',
  7: 'mirrored and turned by 90°',
  8: 'turned left by 90°',
};

function describeConversions(header: Metadata, size: { width: number; height: number }): string[] {
  const notes: string[] = [];
  const turned = orientationWords[header.orientation ?? 1];
  if (turned) notes.push(`${turned}, as its EXIF orientation asks`);
  const pages = header.pages ?? 1;
  if (pages > 1) notes.push(`first of ${pages} ${header.format === 'tiff' ? 'pages' : 'frames'}`);
  if (header.format === 'svg') {
    notes.push(`drawing rendered at ${size.width} x ${size.height} on white`);
    return notes;
  }
  if (header.space === 'cmyk') notes.push('CMYK converted to sRGB');
  if (header.channels <= 2) notes.push('greyscale, repeated in all three colours');
  if (header.depth === 'ushort') notes.push('16 bits a channel scaled down to 8');
  if (header.depth === 'float' || header.depth === 'double') notes.push('floating-point samples scaled down to 8 bits');
  if (header.hasAlpha) notes.push('transparency dropped');
  if (header.space !== 'cmyk' && header.icc && !describesSrgb(header.icc)) {
    notes.push("embedded colour profile not applied, as in the model's own image processor");
  }
  return notes;
}

/** Whether an ICC profile names itself sRGB, in ASCII or UTF-16. */
function describesSrgb(profile: Buffer): boolean {
  return profile.includes('sRGB') || profile.includes(Buffer.from('sRGB', 'utf16le').swap16());
}
