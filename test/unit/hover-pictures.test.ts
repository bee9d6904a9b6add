import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { AnswerSum, type AttentionSummary } from '../../native/analysis/answer-attention.ts';
import { makeHoverPictures, makeThumbnail } from '../../native/analysis/hover-pictures.ts';
import { Pipeline } from '../../native/analysis/pipeline.ts';
import { bundledModelFolder } from '../../native/models.ts';
import { openTraceFile } from '../../trace/file.ts';
import { fromHalf } from '../../trace/half.ts';
import type { TraceReader } from '../../trace/reader.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { TraceError } from '../../trace/errors.ts';
import { encodeTrace, type TraceTensors } from '../../trace/writer.ts';
import { smallRun, smallTensors } from '../fixtures/small-run.ts';

let folder: string;
let trace: TraceReader;
const pipeline = new Pipeline();

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-hover-'));
  const { tracePath } = await pipeline.analyze({
    imagePath: fileURLToPath(new URL('../../media/samples/scene-04.png', import.meta.url)),
    question: 'Describe this picture.',
    modelFolder: bundledModelFolder(),
    tracePath: join(folder, 'run.fovea'),
    maxNewTokens: 32,
    sampling: { mode: 'greedy' },
    device: 'cpu',
    threads: 2,
    progressToken: '',
  });
  trace = await openTraceFile(tracePath);
});
after(async () => {
  await trace.close();
  await pipeline.release();
  await rm(folder, { recursive: true });
});

interface Pixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

async function decode(bytes: Uint8Array): Promise<Pixels> {
  const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
  assert.equal(info.channels, 3);
  return { data, width: info.width, height: info.height };
}

/** Mean colour in the middle of a patch, away from its neighbours. */
function patchColour({ data, width, height }: Pixels, row: number, column: number, side: number): number[] {
  const sums = [0, 0, 0];
  let pixels = 0;
  for (let y = Math.ceil((row + 0.25) * (height / side)); y < (row + 0.75) * (height / side); y++) {
    for (let x = Math.ceil((column + 0.25) * (width / side)); x < (column + 0.75) * (width / side); x++) {
      for (let channel = 0; channel < 3; channel++) sums[channel]! += data[(y * width + x) * 3 + channel]!;
      pixels++;
    }
  }
  return sums.map(sum => sum / pixels);
}

/** The answer's attention per patch at one layer, straight from the tensor: mean of heads and of the answer's rows. */
async function answerMap(layer: number): Promise<Float64Array> {
  const { tokens, promptTokens, visual, model } = trace.metadata;
  const slice = await trace.slice('decoder.attention_to_image');
  const values = fromHalf(new Uint16Array(slice.data.buffer));
  const { layers, heads } = model.decoder;
  const map = new Float64Array(visual.count);
  assert.equal(tokens.at(-1)?.text, '</s>');
  const answered = tokens.length - 1 - promptTokens;
  for (let token = promptTokens; token < promptTokens + answered; token++) {
    for (let head = 0; head < heads; head++) {
      const start = (((token - 1) * layers + layer) * heads + head) * visual.count;
      for (let patch = 0; patch < visual.count; patch++) map[patch]! += values[start + patch]! / heads / answered;
    }
  }
  return map;
}

test('the overlay peaks at the patch that the tensors single out, in the colour of the top of the scale', async () => {
  const { hover, visual } = trace.metadata;
  assert.ok(hover);
  const map = await answerMap(hover.layer);
  const peak = map.indexOf(Math.max(...map));
  // The tensors are rounded to half precision, the picture is not.
  assert.ok(Math.abs(map[peak]! - hover.maximum) < map[peak]! / 2048, `${map[peak]} and ${hover.maximum}`);
  const overlay = await decode((await trace.slice('hover.answer_overlay')).data);
  const side = visual.grid.columns;
  const brightness = Array.from(map, (_, patch) =>
    patchColour(overlay, Math.floor(patch / side), patch % side, side).reduce((sum, value) => sum + value, 0),
  );
  assert.equal(brightness.indexOf(Math.max(...brightness)), peak);
  // Magma ends at (252, 253, 191); nine tenths of it over the picture.
  const [red, green, blue] = patchColour(overlay, Math.floor(peak / side), peak % side, side);
  assert.ok(red! > 215 && green! > 215 && blue! > 150 && blue! < 235, `${red} ${green} ${blue}`);
});

test('the layer is the one that singles out parts of the image most', async () => {
  const { hover, model } = trace.metadata;
  const spread: number[] = [];
  for (let layer = 0; layer < model.decoder.layers; layer++) {
    const map = await answerMap(layer);
    const even = map.reduce((sum, value) => sum + value, 0) / map.length;
    spread.push(map.reduce((sum, value) => sum + Math.max(0, value - even), 0));
  }
  // Above the even spread of the mean of tokens; the choice takes the mean of tokens of that: at least as much.
  const chosen = spread[hover!.layer]!;
  assert.ok(chosen > 0.5 * Math.max(...spread), `layer ${hover!.layer} has ${chosen} of ${Math.max(...spread)}`);
});

test('both pictures have the longest side of 200 pixels and stay under their limits', async t => {
  for (const [name, limit] of [
    ['image.thumbnail', 12_000],
    ['hover.answer_overlay', 14_000],
  ] as const) {
    const { data } = await trace.slice(name);
    const { width, height } = await decode(data);
    assert.deepEqual([width, height], [200, 200]);
    assert.ok(data.length <= limit);
    t.diagnostic(`${name}: ${data.length} bytes`);
  }
});

/** Noise is what compresses worst. */
function noise(width: number, height: number): { rgb: Uint8Array; width: number; height: number } {
  let state = 1;
  const rgb = Uint8Array.from({ length: width * height * 3 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
  return { rgb, width, height };
}

/** 2 x 3 patches, one layer of which looks at the last patch alone. */
function lookingAtLast(): AttentionSummary | undefined {
  const answer = new AnswerSum(2, 6);
  const means = new Float32Array(12);
  means[11] = 0.5;
  for (let row = 0; row < 3; row++) answer.add(means);
  return answer.summary();
}

const croppedTo = (image: { width: number; height: number }, crop: RunMetadata['image']['crop']): RunMetadata => ({
  ...smallRun,
  image: { ...smallRun.image, ...image, crop },
});

test('noise of any shape stays under the limits, tiny images and thin ones are drawn', async () => {
  for (const [width, height] of [
    [400, 400],
    [1, 1],
    [3, 900],
    [2000, 5],
  ] as const) {
    const metadata = croppedTo({ width, height }, { x: 0, y: 0, width, height });
    const thumbnail = await makeThumbnail(noise(width, height));
    const { tensors: made, hover } = await makeHoverPictures(thumbnail, metadata, lookingAtLast());
    assert.deepEqual(hover, { layer: 1, heads: 'mean', maximum: 0.5 });
    encodeTrace({ ...metadata, hover }, { ...smallTensors(), ...made });
    const picture = await decode(made['hover.answer_overlay']!.data);
    assert.equal(Math.max(picture.width, picture.height), 200);
  }
});

test('the map lies where the crop was, and what the model did not see is dark', async () => {
  const white = { rgb: new Uint8Array(600 * 300 * 3).fill(255), width: 600, height: 300 };
  const metadata = croppedTo(white, { x: 150, y: 0, width: 300, height: 300 });
  const { tensors: made } = await makeHoverPictures(await makeThumbnail(white), metadata, lookingAtLast());
  const { data, width, height } = await decode(made['hover.answer_overlay']!.data);
  assert.deepEqual([width, height], [200, 100]);
  const at = (x: number, y: number): number => data[(y * width + x) * 3]!;
  assert.ok(at(20, 50) < 80 && at(180, 50) < 80, 'outside of the crop');
  assert.ok(at(135, 75) > 220, 'the last patch');
  // Black at 28 % over white.
  assert.ok(Math.abs(at(70, 25) - 255 * 0.72) < 12, 'the first patch');
});

test('without an answer there is a thumbnail and no overlay', async () => {
  const thumbnail = await makeThumbnail(noise(6, 4));
  const { tensors: made, hover } = await makeHoverPictures(thumbnail, smallRun, new AnswerSum(2, 6).summary());
  assert.deepEqual(Object.keys(made), ['image.thumbnail']);
  assert.equal(hover, undefined);
});

test('a trace whose hover entries do not fit is refused', () => {
  const refuses = (run: unknown, tensors: TraceTensors, message: RegExp): void => {
    assert.throws(
      () => encodeTrace(run as RunMetadata, tensors),
      (error: unknown) => error instanceof TraceError && message.test(error.message),
    );
  };
  const { hover, ...without } = smallRun;
  const tensors = smallTensors();
  refuses({ ...smallRun, hover: { ...hover, layer: 2 } }, tensors, /hover\.layer is 2, but the decoder has 2 layers/);
  refuses({ ...smallRun, hover: { ...hover, heads: 'max' } }, tensors, /hover\.heads/);
  refuses({ ...smallRun, hover: { ...hover, maximum: 1.5 } }, tensors, /hover\.maximum is not a probability/);
  refuses({ ...smallRun, hover: 'yes' }, tensors, /hover is not an object/);
  refuses(without, tensors, /does not say in "hover"/);
  const large = { dtype: 'U8', shape: [12_001], data: new Uint8Array(12_001) } as const;
  refuses(smallRun, { ...tensors, 'image.thumbnail': large }, /has 12001 bytes, more than 12000/);
});
