/** The image in high resolution, as the method's plan wants it prepared. */
import type { HighResolutionProjections } from '../checkpoint/high-resolution-weights.ts';
import { gridSide, type VisionConfig } from '../checkpoint/model-config.ts';
import { denormalizePixels, type ModelInput, prepareImage, type RgbImage } from '../image/preprocess.ts';
import type { ProcessorSettings, Size } from '../image/processor-settings.ts';
import { scaleDown } from '../image/scale-down.ts';
import type { HighResolutionPlan } from '../methods/high-resolution/plan.ts';
import { paddingMargin } from '../methods/high-resolution/selection.ts';
import type { HighResolutionInput } from './high-resolution-run.ts';

/** The model's own settings, but that images are padded to a square where the plan says so. */
export function paddedSettings(settings: ProcessorSettings, plan: HighResolutionPlan | undefined): ProcessorSettings {
  return plan?.pad ? { ...settings, pad: true } : settings;
}

/** @param settings of the low-resolution image: the large one is resized and cropped alike, only larger */
export function highResolutionInput(
  image: RgbImage,
  settings: ProcessorSettings,
  vision: VisionConfig,
  plan: HighResolutionPlan,
  projections: HighResolutionProjections,
): HighResolutionInput {
  const longest = Math.max(image.width, image.height);
  const tiles = longest <= vision.imageSize ? 1 : plan.zoom;
  const large = prepareImage(image, enlargedSettings(settings, tiles));
  const side = gridSide(vision);
  const padded = settings.pad && image.width !== image.height;
  const notes: string[] = [];
  if (tiles === 1 && plan.zoom > 1) {
    notes.push(
      `The image is not larger than a tile of ${vision.imageSize} pixels: its high-resolution tokens are its ordinary ones.`,
    );
  } else if (longest < large.width) {
    notes.push(`The image was enlarged from ${longest} to ${large.width} pixels; there is no more detail in it.`);
  }
  return {
    plan,
    projections,
    image: { pixels: large.pixels, tiles },
    crop: large.crop,
    ...(plan.lowResolution === 'scaled' && tiles > 1 && { low: scaledInput(large, vision.imageSize, settings) }),
    margin: padded ? paddingMargin(image.width, image.height, { rows: side, columns: side }) : { rows: 0, columns: 0 },
    notes,
  };
}

/** The vision tower gets exactly these pixels; the picture of them is rounded. */
function scaledInput(large: ModelInput, side: number, settings: ProcessorSettings): ModelInput {
  const pixels = scaleDown(large.pixels, large.width, side);
  return { rgb: denormalizePixels(pixels, settings), pixels, width: side, height: side, crop: large.crop };
}

/** The same steps for an image that is so many times as large; sides are whole, whatever the quotient of two sizes rounds to. */
export function enlargedSettings(settings: ProcessorSettings, times: number): ProcessorSettings {
  const side = (length: number): number => Math.round(length * times);
  const size = ({ width, height }: Size): Size => ({ width: side(width), height: side(height) });
  const { resize, crop } = settings;
  return {
    ...settings,
    ...(resize && {
      resize: {
        ...resize,
        to: 'shortestEdge' in resize.to ? { shortestEdge: side(resize.to.shortestEdge) } : size(resize.to),
      },
    }),
    ...(crop && { crop: size(crop) }),
  };
}
