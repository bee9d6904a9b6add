/** Frames of animations, several images, or the images of a folder, in order. */
import { readdir, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import sharp from 'sharp';
import { FoveaError } from '../errors.ts';
import { decodeImage } from './decode-image.ts';
import type { RgbImage } from './preprocess.ts';

export interface Frame extends RgbImage {
  /** E.g. "clip.gif, frame 3 of 24". */
  readonly name: string;
}

const imageEndings = ['.png', '.jpg', '.jpeg', '.webp', '.gif', '.avif', '.tif', '.tiff', '.svg'];
const animated = ['gif', 'webp'];

export interface FramePlace {
  readonly path: string;
  /** Of the file's frames, from 0. */
  readonly page: number;
  readonly pages: number;
}

/** A frame that was chosen of several. */
export interface ChosenFrame extends FramePlace {
  /** Which of all frames, from 1. */
  readonly number: number;
}

/**
 * At most `limit` frames, spread evenly over all that there are.
 * @throws FoveaError `image-unreadable` or `image-too-large`
 */
export async function decodeFrames(paths: readonly string[], limit: number): Promise<Frame[]> {
  const frames: Frame[] = [];
  for (const place of spreadEvenly(await findFrames(paths), limit)) frames.push(await decodeFrame(place));
  return frames;
}

/** All frames of all files and folders, in order. @throws FoveaError `image-unreadable` for a folder without images */
export async function findFrames(paths: readonly string[]): Promise<FramePlace[]> {
  const files = (await Promise.all(paths.map(imagesAt))).flat();
  return (await Promise.all(files.map(framesOf))).flat();
}

/** At most `limit`, the first one among them. */
export function spreadEvenly(places: readonly FramePlace[], limit: number): ChosenFrame[] {
  const count = Math.min(limit, places.length);
  return Array.from({ length: count }, (_, index) => {
    const place = Math.floor((index * places.length) / count);
    return { ...places[place]!, number: place + 1 };
  });
}

/** A file itself, or the images of a folder in order. @throws FoveaError `image-unreadable` for a folder without any */
export async function imagesAt(path: string): Promise<string[]> {
  const entry = await stat(path).catch(() => undefined);
  if (!entry?.isDirectory()) return [path];
  const names = (await readdir(path)).filter(name => imageEndings.includes(extname(name).toLowerCase()));
  if (names.length === 0) {
    throw new FoveaError('image-unreadable', `There are no images in ${path}.`, 'Name a folder of frames.');
  }
  return names.sort((a, b) => a.localeCompare(b, undefined, { numeric: true })).map(name => join(path, name));
}

async function framesOf(path: string): Promise<FramePlace[]> {
  // What cannot be read is told by decodeImage, better than here.
  const header = await sharp(path)
    .metadata()
    .catch(() => undefined);
  const pages = header && animated.includes(header.format) ? (header.pages ?? 1) : 1;
  return Array.from({ length: pages }, (_, page) => ({ path, page, pages }));
}

/** @throws FoveaError `image-unreadable` or `image-too-large` */
export async function decodeFrame({ path, page, pages }: FramePlace): Promise<Frame> {
  const name = basename(path);
  if (pages === 1) return { ...(await decodeImage(path)), name };
  try {
    const { data, info } = await sharp(path, { page, pages: 1 })
      .flatten({ background: 'white' })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return { rgb: data, width: info.width, height: info.height, name: `${name}, frame ${page + 1} of ${pages}` };
  } catch (cause) {
    const hint = 'Save the animation again, or name single frames.';
    throw new FoveaError('image-unreadable', `Frame ${page + 1} of ${name} cannot be read.`, hint, { cause });
  }
}
