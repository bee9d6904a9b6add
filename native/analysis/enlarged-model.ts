/** A model as it looks where all tokens of a larger image stand in its sequence. */
import type { RgbImage } from '../image/preprocess.ts';
import { requireImageSide } from '../methods/llava-hd.ts';
import { enlargedSettings } from './high-resolution-input.ts';
import type { ModelFiles } from './loaded-model.ts';

/**
 * Configuration and processor for images of `side` pixels; weights stay what they are. The sequence may be longer than the model was trained
 * for, which its notes say. @throws FoveaError `usage`
 */
export function enlargedFiles(files: ModelFiles, side: number): ModelFiles {
  const { checkpoint, processor } = files;
  const { config } = checkpoint;
  requireImageSide(side, config.vision.patchSize);
  return {
    ...files,
    processor: enlargedSettings(processor, side / config.vision.imageSize),
    checkpoint: {
      ...checkpoint,
      config: {
        ...config,
        vision: { ...config.vision, imageSize: side },
        decoder: { ...config.decoder, maxPositions: Infinity },
      },
    },
  };
}

/** Tiles at each side: one where the size is no multiple of the vision tower's, whose positions are interpolated then. */
export function tilesOf(side: number, imageSize: number): number {
  return side % imageSize === 0 ? side / imageSize : 1;
}

export function enlargedNotes(
  { checkpoint: { config } }: ModelFiles,
  side: number,
  positions: number,
  image: Pick<RgbImage, 'width' | 'height'>,
): string[] {
  const { vision, decoder } = config;
  const notes = [
    'These weights were not trained on larger images: costs are real, answers are not those of a trained LLaVA-HD.',
  ];
  if (positions > decoder.maxPositions) {
    notes.push(`${positions} positions are more than the ${decoder.maxPositions} that the model was trained for.`);
  }
  if (side % vision.imageSize !== 0) {
    notes.push(`Positions of the vision tower are interpolated from ${vision.imageSize} to ${side} pixels.`);
  }
  const longest = Math.max(image.width, image.height);
  if (longest < side) notes.push(`The image was enlarged from ${longest} pixels; there is no more detail in it.`);
  return notes;
}
