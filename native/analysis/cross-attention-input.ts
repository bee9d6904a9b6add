/** The long visual input of a run: one image in high resolution, or frames, prepared as the vision tower takes them. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import sharp from 'sharp';
import type { CrossAttention } from '../../trace/cross-attention.ts';
import type { CrossAttentionWeights } from '../checkpoint/cross-attention-weights.ts';
import type { VisionConfig } from '../checkpoint/model-config.ts';
import { FoveaError } from '../errors.ts';
import { type ChosenFrame, decodeFrame, type FramePlace, findFrames, spreadEvenly } from '../image/decode-frames.ts';
import { decodeImage, type DecodedImage } from '../image/decode-image.ts';
import { checkInputSize, type ModelInput, normalizePixels, prepareImage } from '../image/preprocess.ts';
import type { ProcessorSettings } from '../image/processor-settings.ts';
import type { CrossAttentionPlan } from '../methods/high-resolution/cross-attention-plan.ts';
import type { AnalyzeRequest, StageProgress } from '../rpc.ts';
import { enlargedSettings } from './high-resolution-input.ts';
import type { LargeImage } from './high-resolution-image.ts';
import { letOthersRun } from './interruption.ts';

/** A frame as the vision tower sees it; pixels are made of it when its turn comes. */
export interface PreparedFrame {
  readonly name: string;
  /** Of all frames, from 1. */
  readonly number: number;
  /** [side, side, 3] */
  readonly rgb: Uint8Array;
  readonly side: number;
}

export interface CrossAttentionInput {
  readonly plan: CrossAttentionPlan;
  readonly weights: CrossAttentionWeights;
  /** The image in high resolution; absent where frames are read. */
  readonly large?: LargeImage;
  /** Empty where one image is read in high resolution. */
  readonly frames: readonly PreparedFrame[];
  readonly framesAvailable: number;
  readonly sources: readonly string[];
  /** [3, side, side], normalised */
  readonly pixelsOf: (frame: PreparedFrame) => Float32Array;
  readonly crop: CrossAttention['crop'];
  readonly notes: readonly string[];
}

/** What a request names, looked at before anything is decoded. */
export interface NamedImages {
  /** The image of the prompt: the first frame where several are read. */
  readonly first: FramePlace;
  /** Those that are read one after another; absent where one image is read. */
  readonly frames?: readonly ChosenFrame[];
  /** Frames that there are. */
  readonly available: number;
}

/**
 * @param plan of the method, if it reads a long visual input
 * @throws FoveaError `usage` where several images are named and nothing reads them, `image-unreadable`
 */
export async function namedImages(
  { imagePath, furtherImages = [] }: Pick<AnalyzeRequest, 'imagePath' | 'furtherImages'>,
  plan: CrossAttentionPlan | undefined,
): Promise<NamedImages> {
  const paths = [imagePath, ...furtherImages];
  if (!plan) {
    const folder = (await stat(imagePath).catch(() => undefined))?.isDirectory() ?? false;
    if (!folder && furtherImages.length === 0) return { first: { path: imagePath, page: 0, pages: 1 }, available: 1 };
    throw new FoveaError(
      'usage',
      folder
        ? `${imagePath} is a folder, and this method reads one image.`
        : `This method reads one image, not ${paths.length}.`,
      'Name one image in it, or choose the method llava-xattn, which reads frames with a model that has the weights.',
    );
  }
  const places = await findFrames(paths);
  const first = places[0]!;
  const several = plan.input === 'frames' || (plan.input === 'auto' && places.length > 1);
  return { first, ...(several && { frames: spreadEvenly(places, plan.mostFrames) }), available: places.length };
}

/** The image of the prompt, as every run has one. @throws FoveaError `image-unreadable` or `image-too-large` */
export async function promptImage({ first, frames }: NamedImages): Promise<DecodedImage> {
  const image = await decodeImage(first.path);
  // The frame itself, so that the prompt and the frames show the same pixels.
  return frames && first.pages > 1 ? { ...image, ...(await decodeFrame(first)), name: image.name } : image;
}

export interface CrossAttentionParts {
  readonly image: DecodedImage;
  /** The image as the model's processor makes it. */
  readonly input: ModelInput;
  readonly named: NamedImages;
  readonly settings: ProcessorSettings;
  readonly vision: VisionConfig;
  readonly plan: CrossAttentionPlan;
  readonly weights: CrossAttentionWeights;
}

export async function crossAttentionInput(
  { image, input, named, settings, vision, plan, weights }: CrossAttentionParts,
  request: Pick<AnalyzeRequest, 'imagePath' | 'furtherImages'>,
  progress?: (progress: StageProgress) => void,
  signal?: AbortSignal,
): Promise<CrossAttentionInput> {
  const { frames: chosen, available } = named;
  const sources = [request.imagePath, ...(request.furtherImages ?? [])].map(path => resolve(path));
  const pixelsOf = ({ rgb }: PreparedFrame): Float32Array => normalizePixels(rgb, settings);
  const common = { plan, weights, framesAvailable: chosen ? available : 0, sources, pixelsOf };
  if (chosen) {
    const frames: PreparedFrame[] = [];
    for (const place of chosen) {
      progress?.({ stage: 'image', done: frames.length, total: chosen.length });
      await letOthersRun(signal);
      const frame = await decodeFrame(place);
      checkInputSize(frame, settings, vision.imageSize);
      const { rgb, width } = prepareImage(frame, settings);
      frames.push({ name: frame.name, number: place.number, rgb, side: width });
    }
    return { ...common, frames, crop: input.crop, notes: [...plan.notes, ...frameNotes(named, plan, weights)] };
  }
  const large = prepareImage(image, enlargedSettings(settings, plan.tiles));
  const longest = Math.max(image.width, image.height);
  return {
    ...common,
    large: { pixels: large.pixels, tiles: plan.tiles },
    frames: [],
    crop: large.crop,
    notes: [
      ...plan.notes,
      ...(available > 1 ? [`Only the first of ${available} frames is read, in high resolution.`] : []),
      ...(longest < large.width
        ? [`The image was enlarged from ${longest} to ${large.width} pixels; there is no more detail in it.`]
        : []),
    ],
  };
}

function frameNotes(
  { frames = [], available }: NamedImages,
  { mostFrames }: CrossAttentionPlan,
  { description }: CrossAttentionWeights,
): string[] {
  if (frames.length === available) return [];
  const why =
    mostFrames === description.mostFrames
      ? `the weights have places for ${mostFrames}`
      : `at most ${mostFrames} were asked for`;
  return [`${frames.length} of ${available} frames are read, spread evenly: ${why}.`];
}

/** Pixels: large enough to be drawn under a map; of many frames, so that a trace does not grow by megabytes. */
const pictureSides = { few: 336, many: 224 };
const fewFrames = 16;

/** The frames' pictures one after another, and where each lies. */
export async function framePictures(
  frames: readonly PreparedFrame[],
): Promise<{ readonly described: CrossAttention['frames']; readonly bytes: Uint8Array }> {
  const described: CrossAttention['frames'][number][] = [];
  const pictures: Buffer[] = [];
  let offset = 0;
  const pictureSide = frames.length <= fewFrames ? pictureSides.few : pictureSides.many;
  for (const { name, number, rgb, side } of frames) {
    const picture = await sharp(rgb, { raw: { width: side, height: side, channels: 3 } })
      .resize(pictureSide, pictureSide)
      .webp({ quality: 80 })
      .toBuffer();
    const size = { width: pictureSide, height: pictureSide, offset, bytes: picture.length };
    described.push({ name, number, mime: 'image/webp', ...size });
    pictures.push(picture);
    offset += picture.length;
  }
  return { described, bytes: new Uint8Array(Buffer.concat(pictures)) };
}
