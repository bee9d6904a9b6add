/** The picture that the views show: oriented, of moderate size, independent of the user's file. */
import sharp from 'sharp';
import type { BrowserImage, DecodedImage } from './decode-image.ts';

export interface DisplayCopy {
  readonly bytes: Uint8Array;
  readonly mime: BrowserImage;
  readonly width: number;
  readonly height: number;
}

const longestSide = 2048;
/** A picture that is no larger as it came, or as PNG, is stored without loss: patches are looked at closely. */
const losslessBytes = 300_000;
/** Above this, PNG is not even tried: only nearly empty pictures would fit. */
const losslessPixels = 2_000_000;
const webpQuality = 90;

/** Never enlarged; the file itself or a PNG where that is small, else WebP. */
export async function makeDisplayCopy(
  image: Pick<DecodedImage, 'rgb' | 'width' | 'height' | 'original'>,
): Promise<DisplayCopy> {
  const { original } = image;
  if (original && original.bytes.length <= losslessBytes && Math.max(image.width, image.height) <= longestSide) {
    return { ...original, width: image.width, height: image.height };
  }
  const factor = Math.min(1, longestSide / Math.max(image.width, image.height));
  const width = Math.max(1, Math.round(image.width * factor));
  const height = Math.max(1, Math.round(image.height * factor));
  const picture = sharp(image.rgb, {
    raw: { width: image.width, height: image.height, channels: 3 },
    limitInputPixels: false,
  });
  if (factor < 1) picture.resize(width, height, { fit: 'fill' });
  if (width * height <= losslessPixels) {
    const png = await picture.clone().png().toBuffer();
    if (png.length <= losslessBytes) return { bytes: png, mime: 'image/png', width, height };
  }
  const webp = await picture.webp({ quality: webpQuality }).toBuffer();
  return { bytes: webp, mime: 'image/webp', width, height };
}
