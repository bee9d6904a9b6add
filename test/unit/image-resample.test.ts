import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeImage } from '../../native/image/decode-image.ts';
import { normalizePixels, prepareImage } from '../../native/image/preprocess.ts';
import { parseProcessorSettings, readProcessorSettings } from '../../native/image/processor-settings.ts';
import { resample, type RowSource } from '../../native/image/resample.ts';
import type { JsonObject } from '../../native/checkpoint-file.ts';
import { largestDifference, readGolden } from '../golden/golden-file.ts';

const samples = new URL('../../media/samples/', import.meta.url);
const bundled = fileURLToPath(new URL('../../media/models/fovea-tiny/', import.meta.url));
const variants = new URL('../golden/variants/images/', import.meta.url);
const imageSize = 336;

for (let scene = 1; scene <= 6; scene++) {
  const name = `scene-0${scene}`;
  test(`${name}.png is resized to the very bytes that Pillow makes of it`, async () => {
    const golden = readGolden(new URL(`../golden/${name}.safetensors`, import.meta.url))('resized_rgb');
    const image = await decodeImage(fileURLToPath(new URL(`${name}.png`, samples)));
    const input = prepareImage(image, await readProcessorSettings([bundled], imageSize));
    assert.deepEqual([input.height, input.width], [imageSize, imageSize]);
    const plane = imageSize * imageSize;
    let different = 0;
    for (let i = 0; i < plane; i++) {
      for (let channel = 0; channel < 3; channel++) {
        if (input.rgb[i * 3 + channel] !== golden.data[channel * plane + i]) different++;
      }
    }
    assert.equal(different, 0, `${different} of ${plane * 3} bytes differ`);
  });
}

const processors = JSON.parse(readFileSync(new URL('processors.json', variants), 'utf8')) as Record<string, JsonObject>;
for (const [processor, config] of Object.entries(processors)) {
  for (const picture of ['wide', 'tall', 'small', 'tiny', 'same']) {
    test(`${picture}.png through "${processor}" gives the pixels of transformers' image processor`, async () => {
      const golden = readGolden(new URL('pixels.safetensors', variants))(`${processor}/${picture}`);
      const image = await decodeImage(fileURLToPath(new URL(`${picture}.png`, variants)));
      const input = prepareImage(image, parseProcessorSettings(config, 28, processor));
      assert.deepEqual([3, input.height, input.width], golden.shape);
      assert.ok(largestDifference(input.pixels, golden.data) < 1e-6);
    });
  }
}

/** A smooth but uneven picture, every row computed when it is asked for. */
function gradient(width: number, height: number): RowSource {
  return {
    width,
    height,
    readRow: (y, target) => {
      for (let x = 0; x < width; x++) target.set([(x * 7 + y * 3) % 256, (x * y) % 256, (x + y * 11) % 256], x * 3);
    },
  };
}

test('a window equals the same rectangle cut out of the whole resized image, for every filter', () => {
  for (const filter of ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'] as const) {
    for (const [width, height] of [
      [23, 17],
      [61, 40],
      [40, 90],
    ] as const) {
      const source = gradient(40, 31);
      const whole = resample(source, width, height, filter, { left: 0, top: 0, right: width, bottom: height });
      const window = { left: 5, top: 3, right: 20, bottom: 16 };
      const part = resample(source, width, height, filter, window);
      const expected = new Uint8Array(part.length);
      for (let y = window.top; y < window.bottom; y++) {
        const row = whole.subarray((y * width + window.left) * 3, (y * width + window.right) * 3);
        expected.set(row, (y - window.top) * 15 * 3);
      }
      assert.deepEqual(part, expected, `${filter} to ${width} x ${height}`);
    }
  }
});

test('a strip of 1 x 100000 pixels is prepared without building its 33 million pixel enlargement', () => {
  const rgb = new Uint8Array(100_000 * 3).fill(200);
  const settings = parseProcessorSettings({}, imageSize, 'test');
  const input = prepareImage({ rgb, width: 1, height: 100_000 }, settings);
  assert.equal(input.rgb.length, imageSize * imageSize * 3);
  assert.ok(input.rgb.every(value => value === 200));
  assert.deepEqual(input.crop, { x: 0, y: 49_999.5, width: 1, height: 1 });
});

test('padding puts the picture in the middle of a square of the mean colour, and the crop says so', () => {
  const rgb = new Uint8Array(4 * 2 * 3).fill(9);
  const config = { do_pad: true, image_mean: [0.5, 0.25, 0.75], size: 4, crop_size: 4 };
  const input = prepareImage({ rgb, width: 4, height: 2 }, parseProcessorSettings(config, 4, 'test'));
  assert.deepEqual([...input.rgb.subarray(0, 3)], [127, 63, 191]);
  assert.deepEqual([...input.rgb.subarray(12, 15)], [9, 9, 9]);
  assert.deepEqual(input.crop, { x: 0, y: -1, width: 4, height: 4 });
});

test('a crop larger than the picture is filled with black', () => {
  const rgb = new Uint8Array(3).fill(255);
  const config = { do_resize: false, crop_size: 3 };
  const input = prepareImage({ rgb, width: 1, height: 1 }, parseProcessorSettings(config, 3, 'test'));
  assert.deepEqual(
    Array.from({ length: 9 }, (_, i) => input.rgb[i * 3]),
    [0, 0, 0, 0, 255, 0, 0, 0, 0],
  );
  assert.deepEqual(input.crop, { x: -1, y: -1, width: 3, height: 3 });
});

test('pixels are normalised as NumPy does it in float32', () => {
  const settings = parseProcessorSettings({}, 1, 'test');
  const [red] = normalizePixels(new Uint8Array([128, 0, 0]), settings);
  // np.float32(np.float32(128 * (1 / 255)) - np.float32(0.48145466)) / np.float32(0.26862954)
  const expected = Math.fround((Math.fround(128 / 255) - Math.fround(0.48145466)) / Math.fround(0.26862954));
  assert.ok(Math.abs(red! - expected) < 1e-7);
});
