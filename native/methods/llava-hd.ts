import { FoveaError } from '../errors.ts';
import type { TokenMethod } from './method.ts';

/**
 * FlexAttention's rival LLaVA-HD (arXiv 2407.20228, section 4.1): all tokens of the larger image stand in the decoder's sequence. How the
 * authors built it at 448 pixels is not published; here the vision tower's position embedding is interpolated where the size is no multiple
 * of the tower's, and tiles are encoded as for FlexAttention where it is one.
 */
export const llavaHd: TokenMethod = {
  name: 'llava-hd',
  title: 'LLaVA-HD',
  summary: 'All tokens of a larger image in the sequence; what FlexAttention saves is measured against it.',
  source: 'arXiv 2407.20228; ours in detail',
  variants: ['code'],
  parameters: [
    {
      name: 'side',
      title: 'Side',
      kind: 'integer',
      least: 14,
      most: 2048,
      meaning:
        'Pixels at each side of the image: 448 as in the paper, or 1008 for as many tokens as FlexAttention has.',
      default: () => 448,
      source: 'FlexAttention, section 4.1',
    },
  ],
  refusesHighResolution: 'all high-resolution tokens are in its sequence already.',
  imageSide: parameters => Number(parameters['side']),
  start: () => ({}),
};

/** @throws FoveaError `usage` */
export function requireImageSide(side: number, patchSize: number): void {
  if (side % patchSize === 0) return;
  const near = Math.max(1, Math.round(side / patchSize)) * patchSize;
  throw new FoveaError('usage', `${side} pixels are no whole number of patches of ${patchSize}.`, `Try ${near}.`);
}
