import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import sharp from 'sharp';
import { FoveaError, type FoveaErrorCode } from '../../native/errors.ts';
import { decodeImage } from '../../native/image/decode-image.ts';
import { makeDisplayCopy } from '../../native/image/display-copy.ts';
import { checkInputSize } from '../../native/image/preprocess.ts';
import { parseProcessorSettings } from '../../native/image/processor-settings.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-image-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function save(name: string, bytes: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

/** Four pixels: red, green above blue, white. */
const corners = Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255);
const cornerImage = () => sharp(corners, { raw: { width: 2, height: 2, channels: 3 } });

function rejects(path: string, code: FoveaErrorCode, message: RegExp, limit?: number): Promise<void> {
  return assert.rejects(decodeImage(path, limit), (error: unknown) => {
    assert.ok(error instanceof FoveaError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.notEqual(error.hint, '');
    return true;
  });
}

test('a plain PNG keeps its pixels, and its digest is that of the file', async () => {
  const bytes = await cornerImage().png().toBuffer();
  const image = await decodeImage(await save('plain.png', bytes));
  assert.deepEqual([...image.rgb], [...corners]);
  assert.deepEqual([image.width, image.height, image.format, image.notes.length], [2, 2, 'png', 0]);
  assert.equal(image.digest, createHash('sha256').update(bytes).digest('hex'));
  assert.equal(image.bytes, bytes.length);
});

test('the EXIF orientation is applied and noted', async () => {
  const bytes = await cornerImage()
    .resize(4, 2, { kernel: 'nearest', fit: 'fill' })
    .withMetadata({ orientation: 6 })
    .png()
    .toBuffer();
  const image = await decodeImage(await save('turned.png', bytes));
  assert.deepEqual([image.width, image.height], [2, 4]);
  assert.deepEqual([...image.rgb.subarray(0, 6)], [0, 0, 255, 255, 0, 0]);
  assert.match(image.notes[0]!, /turned right by 90°/);
});

test('of an animation the first frame is used, which is noted', async () => {
  const frame = (value: number) => ({
    create: { width: 3, height: 2, channels: 3 as const, background: { r: value, g: 0, b: 0 } },
  });
  const frames = await Promise.all([250, 100, 20].map(value => sharp(frame(value)).png().toBuffer()));
  for (const format of ['gif', 'webp'] as const) {
    const bytes = await sharp(frames, { join: { animated: true } })
      .toFormat(format, format === 'webp' ? { lossless: true } : {})
      .toBuffer();
    const image = await decodeImage(await save(`moving.${format}`, bytes));
    assert.deepEqual([image.width, image.height, image.rgb[0]], [3, 2, 250], format);
    assert.ok(image.notes.includes('first of 3 frames'), image.notes.join());
  }
});

test('transparency is dropped, not blended, as PIL does', async () => {
  const rgba = Uint8Array.of(10, 200, 30, 0, 40, 50, 60, 128);
  const bytes = await sharp(rgba, { raw: { width: 2, height: 1, channels: 4 } })
    .png()
    .toBuffer();
  const image = await decodeImage(await save('clear.png', bytes));
  assert.deepEqual([...image.rgb], [10, 200, 30, 40, 50, 60]);
  assert.deepEqual(image.notes, ['transparency dropped']);
});

test('16-bit samples keep their upper byte', async () => {
  const samples = Uint16Array.of(0x12ff, 0x8000, 0xfffe);
  const bytes = await sharp(samples, { raw: { width: 1, height: 1, channels: 3 } })
    .toColourspace('rgb16')
    .png()
    .toBuffer();
  assert.equal((await sharp(bytes).metadata()).depth, 'ushort');
  const image = await decodeImage(await save('deep.png', bytes));
  assert.deepEqual([...image.rgb], [0x12, 0x80, 0xff]);
  assert.deepEqual(image.notes, ['16 bits a channel scaled down to 8']);
});

test('grey, palette and CMYK images become three channels', async () => {
  const grey = await sharp(Uint8Array.of(7, 99), { raw: { width: 2, height: 1, channels: 1 } })
    .toColourspace('b-w')
    .png()
    .toBuffer();
  const greyImage = await decodeImage(await save('grey.png', grey));
  assert.deepEqual([...greyImage.rgb], [7, 7, 7, 99, 99, 99]);
  assert.match(greyImage.notes[0]!, /greyscale/);

  const palette = await decodeImage(await save('palette.png', await cornerImage().png({ palette: true }).toBuffer()));
  assert.deepEqual([...palette.rgb], [...corners]);

  const red = sharp({ create: { width: 16, height: 16, channels: 3, background: 'red' } });
  const cmyk = await decodeImage(await save('cmyk.jpg', await red.toColourspace('cmyk').jpeg().toBuffer()));
  assert.equal(cmyk.rgb.length, 16 * 16 * 3);
  assert.ok(cmyk.rgb[0]! > 200 && cmyk.rgb[1]! < 90, `red became ${cmyk.rgb.subarray(0, 3).join()}`);
  assert.deepEqual(cmyk.notes, ['CMYK converted to sRGB']);
});

test('a vector drawing is rendered large, on white', async () => {
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" height="8"><rect width="4" height="8" fill="#00f"/></svg>';
  const image = await decodeImage(await save('drawing.svg', svg));
  assert.deepEqual([image.width, image.height], [1024, 512]);
  assert.deepEqual([...image.rgb.subarray(0, 3)], [0, 0, 255]);
  assert.deepEqual([...image.rgb.subarray(-3)], [255, 255, 255]);
});

test('what is no image, empty, cut short, missing or a folder says so', async () => {
  await rejects(await save('text.png', 'hello'), 'image-unreadable', /text\.png is not an image/);
  await rejects(await save('empty.png', ''), 'image-unreadable', /empty \(0 bytes\)/);
  const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251);
  const picture = sharp(noise, { raw: { width: 64, height: 64, channels: 3 } });
  for (const format of ['png', 'jpeg', 'webp', 'gif', 'tiff'] as const) {
    const whole = await picture.clone().toFormat(format).toBuffer();
    const half = whole.subarray(0, Math.floor(whole.length / 2));
    await rejects(await save(`half.${format}`, half), 'image-unreadable', /half/);
  }
  await rejects(join(folder, 'nothing.png'), 'image-unreadable', /There is no image/);
  await mkdir(join(folder, 'folder.png'));
  await rejects(join(folder, 'folder.png'), 'image-unreadable', /is a folder/);
});

test('an image above the limit is refused before it is decoded, with its size and a size that fits', async () => {
  const path = await save('large.svg', '<svg xmlns="http://www.w3.org/2000/svg" width="12000" height="9000"/>');
  await rejects(path, 'image-too-large', /12000 x 9000, 108 megapixels; the limit is 100\./);
  await rejects(await save('plain-again.png', await cornerImage().png().toBuffer()), 'image-too-large', /2 x 2/, 3);
});

test('a single pixel is an image', async () => {
  const bytes = await sharp({ create: { width: 1, height: 1, channels: 3, background: '#102030' } })
    .png()
    .toBuffer();
  const image = await decodeImage(await save('dot.png', bytes));
  assert.deepEqual([...image.rgb], [0x10, 0x20, 0x30]);
});

test('the display copy of a small picture is lossless, of a large one WebP of at most 2048 pixels a side', async () => {
  const small = await makeDisplayCopy({ rgb: corners, width: 2, height: 2 });
  assert.deepEqual([small.mime, small.width, small.height], ['image/png', 2, 2]);
  assert.deepEqual([...(await sharp(small.bytes).raw().toBuffer())], [...corners]);

  let state = 1;
  const rgb = Uint8Array.from({ length: 3000 * 300 * 3 }, () => (state = (state * 48271) % 2147483647) & 255);
  const large = await makeDisplayCopy({ rgb, width: 3000, height: 300 });
  assert.deepEqual([large.mime, large.width, large.height], ['image/webp', 2048, 205]);
  const { format, width, height } = await sharp(large.bytes).metadata();
  assert.deepEqual([format, width, height], ['webp', 2048, 205]);
});

test('a small upright file is its own display copy; one that had to be converted is not', async () => {
  const picture = sharp(corners, { raw: { width: 2, height: 2, channels: 3 } });
  const png = await picture.clone().png().toBuffer();
  const plain = await makeDisplayCopy(await decodeImage(await save('plain.png', png)));
  assert.deepEqual([plain.mime, Buffer.from(plain.bytes)], ['image/png', png]);
  const turned = await picture.clone().withMetadata({ orientation: 6 }).jpeg().toBuffer();
  const upright = await makeDisplayCopy(await decodeImage(await save('turned.jpg', turned)));
  assert.notDeepEqual(Buffer.from(upright.bytes), turned);
  assert.equal((await sharp(upright.bytes).metadata()).orientation, undefined);
});

test('settings that do not fit the vision tower are named before any work is done', () => {
  const settings = parseProcessorSettings({ size: 224, crop_size: 224 }, 336, 'preprocessor_config.json');
  assert.throws(() => {
    checkInputSize({ width: 5, height: 5 }, settings, 336);
  }, /makes 224 x 224 .* takes 336 x 336/);
  assert.throws(() => parseProcessorSettings({ resample: 9 }, 336, 'x.json'), /"resample" in x\.json is 9/);
  assert.throws(() => parseProcessorSettings({ size: { longest_edge: 9 } }, 336, 'x.json'), /"size" in x\.json/);
});
