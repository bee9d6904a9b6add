/** Hard pictures (very tall, very wide, one pixel, smaller than the crop) against transformers' CLIPImageProcessorPil. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { decodeImage } from '../../native/image/decode-image.ts';
import { prepareImage } from '../../native/image/preprocess.ts';
import { parseProcessorSettings } from '../../native/image/processor-settings.ts';
import { largestDifference, readGolden } from './golden-file.ts';

const folder = new URL('./variants/images/', import.meta.url);
const processors = JSON.parse(readFileSync(new URL('processors.json', folder), 'utf8')) as Record<
  string,
  Record<string, unknown>
>;
const golden = readGolden(new URL('pixels.safetensors', folder));
/** One 8-bit step after normalisation is at least 1 / 255 / 0.2758 = 0.014; this allows float rounding alone. */
const tolerance = 1e-5;

for (const [processor, config] of Object.entries(processors)) {
  for (const picture of ['tall', 'wide', 'tiny', 'same', 'small']) {
    test(`${processor}: the pixels of the ${picture} picture equal those of transformers`, async () => {
      const image = await decodeImage(fileURLToPath(new URL(`${picture}.png`, folder)));
      const { pixels } = prepareImage(image, parseProcessorSettings(config, 28, 'processors.json'));
      const expected = golden(`${processor}/${picture}`);
      assert.equal(pixels.length, expected.data.length, `expected [${expected.shape.join(', ')}]`);
      const difference = largestDifference(pixels, expected.data);
      assert.ok(difference < tolerance, `differs by ${difference}`);
    });
  }
}
