/** The picture of what two runs kept: patches that only one has are hatched in its colour, those of neither are pale. */
import sharp from 'sharp';
import { seenPart, stillSize, type EncodedPicture, type StillParts } from './heat-pictures.ts';

type Rgb = readonly [number, number, number];

/** run-a and run-b of the light theme. */
const runColours: readonly [Rgb, Rgb] = [
  [0xa2, 0x3b, 0x78],
  [0x00, 0x70, 0x4f],
];
const hatchPitch = 6;
const wash = 0.3;
const pale = 0.82;

/** @param first [patches], 1 for kept: hatched like "/", the second like "\" */
export async function keptPicture(
  parts: Pick<StillParts, 'display' | 'image' | 'grid'>,
  first: Uint8Array,
  second: Uint8Array,
): Promise<EncodedPicture> {
  const { grid } = parts;
  const { patch, width, height } = stillSize(grid);
  const pixels = await seenPart(parts, width, height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const index = Math.floor(y / patch) * grid.columns + Math.floor(x / patch);
      const [a, b] = [first[index] === 1, second[index] === 1];
      if (a && b) continue;
      const at = (y * width + x) * 3;
      const ground = [0, 1, 2].map(channel => pixels[at + channel]! + (255 - pixels[at + channel]!) * pale);
      const line = a ? (x + y) % hatchPitch < 2 : b && (x - y + height) % hatchPitch < 2;
      const edge = Math.min(x % patch, y % patch, patch - 1 - (x % patch), patch - 1 - (y % patch)) === 0;
      const colour = a ? runColours[0] : runColours[1];
      for (let channel = 0; channel < 3; channel++) {
        const base = ground[channel]!;
        pixels[at + channel] =
          a || b
            ? Math.round(line || edge ? colour[channel]! : base + (colour[channel]! - base) * wash)
            : Math.round(base);
      }
    }
  const png = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  return { mime: 'image/png', bytes: png, width, height };
}
