/** The user's frames through a model's own cross-attention, spread over ranks: the same attention as an analysis records. */
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import sharp from 'sharp';
import { LoadedModel } from '../../native/analysis/loaded-model.ts';
import { Pipeline } from '../../native/analysis/pipeline.ts';
import { crossAttentionFiles } from '../../native/checkpoint/cross-attention-weights.ts';
import { parseTrafficOptions } from '../../native/cli/traffic-options.ts';
import { readFloats } from '../../native/cli/trace-values.ts';
import { type ImageChoice, imageWorkload } from '../../native/traffic/image-workload.ts';
import { runTraffic, sizesOf } from '../../native/traffic/run-traffic.ts';
import { openTraceFile } from '../../trace/file.ts';
import { defaultWire } from '../../trace/traffic/sizes.ts';
import { linkCheckpointWithTokenizer } from '../fixtures/letter-tokenizer.ts';

const folder = await mkdtemp(path.join(os.tmpdir(), 'fovea-traffic-cross-'));
const model = new LoadedModel();
after(async () => {
  await model.release();
  await rm(folder, { recursive: true });
});

const [plain, crossed] = [path.join(folder, 'plain'), path.join(folder, 'crossed')];
for (const target of [plain, crossed]) {
  await mkdir(target);
  linkCheckpointWithTokenizer(path.resolve('test/golden/variants/gqa'), target);
}
for (const name of Object.values(crossAttentionFiles)) {
  copyFileSync(path.resolve('test/golden/cross-attention', name), path.join(crossed, name));
}
const clip = path.join(folder, 'clip.gif');
const scenes = await Promise.all(
  [1, 2, 3].map(scene => sharp(`media/samples/scene-0${scene}.png`).resize(60, 60).png().toBuffer()),
);
await sharp(scenes, { join: { animated: true } })
  .gif()
  .toFile(clip);

const choice: ImageChoice = {
  ...{ paths: [clip], question: 'What?', modelFolder: crossed, frames: 8, ranks: 2 },
  element: 'F32',
  model,
};

/** Shares of frames, mean of heads, of every row, as an analysis of the same clip records them. */
async function analysed(): Promise<{ readonly shares: Float32Array; readonly answer: string }> {
  const pipeline = new Pipeline();
  const tracePath = path.join(folder, 'run.fovea');
  try {
    const { answer } = await pipeline.analyze({
      ...{ imagePath: clip, question: 'What?', modelFolder: crossed, tracePath, maxNewTokens: 48 },
      ...{
        sampling: { mode: 'greedy' },
        method: { name: 'llava-xattn' },
        device: 'cpu',
        threads: 0,
        progressToken: '',
      },
    });
    const trace = await openTraceFile(tracePath);
    const [rows, layers, heads, frames] = trace.tensors['cross_attention.frame_share']!.shape as [
      number,
      number,
      number,
      number,
    ];
    const values = await readFloats(trace, 'cross_attention.frame_share');
    await trace.close();
    const last = layers - 1;
    const shares = Float32Array.from({ length: rows * frames }, (_, index) => {
      const [row, frame] = [Math.floor(index / frames), index % frames];
      let sum = 0;
      for (let head = 0; head < heads; head++) sum += values[((row * layers + last) * heads + head) * frames + frame]!;
      return sum / heads;
    });
    return { shares, answer };
  } finally {
    await pipeline.release();
  }
}

test('queries, keys and values are those of the model’s cross-attention: frames get what an analysis recorded', async () => {
  const workload = await imageWorkload({ ...choice, layer: 1 });
  const { description, tensors } = workload;
  assert.match(
    description.description,
    /before decoder layer 1.*the model’s own cross-attention \(xattn\.safetensors\)/,
  );
  assert.deepEqual(description.shape, { queryHeads: 4, keyValueHeads: 2, headSize: 12 });
  assert.equal(description.layers, 2);
  const { shares, answer } = await analysed();
  assert.equal(description.answer, answer);
  const found = new Float32Array(tensors!['workload.frame_attention']!.data.slice().buffer);
  assert.equal(found.length, shares.length);
  found.forEach((value, index) => {
    assert.ok(Math.abs(value - shares[index]!) < 1e-5, `${value}, recorded ${shares[index]!}`);
  });

  // And ranks compute with them: every check holds, one device agrees.
  const outcome = await runTraffic({
    workload,
    choices: [{ algorithm: 'lv-xattn', repeatKeyValueHeads: false }],
    ...{ ranks: 2, pass: 'forward', wire: defaultWire, repeats: 1, link: undefined },
  });
  const [run] = outcome.metadata.runs;
  assert.ok(run!.checks.every(({ passed }) => passed));
  assert.equal(
    sizesOf({ workload, wire: defaultWire }, { algorithm: 'lv-xattn', repeatKeyValueHeads: false }).shape.headSize,
    12,
  );
});

test('one image is read in high resolution; other weights and layers can be asked for, and are refused where there are none', async () => {
  const one = await imageWorkload({ ...choice, paths: ['media/samples/scene-03.png'] });
  assert.equal(
    one.description.sharding.keyRows.reduce((sum, rows) => sum + rows, 0),
    144,
  );
  assert.match(one.description.description, /of the image in high resolution/);
  const fetched = await imageWorkload({ ...choice, weights: 'flexattention' });
  assert.match(fetched.description.description, /FlexAttention’s high-resolution projections.*; as was asked for$/);
  const without = await imageWorkload({ ...choice, modelFolder: plain });
  assert.match(without.description.description, /FlexAttention’s.*; the model has no cross-attention weights$/);
  await assert.rejects(imageWorkload({ ...choice, modelFolder: plain, weights: 'cross-attention' }), {
    code: 'architecture-unsupported',
  });
  await assert.rejects(imageWorkload({ ...choice, layer: 5 }), {
    code: 'usage',
    message: /no such attention at decoder layer 5/,
  });
});

test('the command line names weights and layer', () => {
  const words = ['--images', 'a.gif', '-q', 'What?', '--weights', 'cross-attention', '--layer', '8'];
  const parsed = parseTrafficOptions(words);
  assert.ok(!parsed.help && parsed.perfetto === undefined && parsed.workload.kind === 'images');
  assert.deepEqual([parsed.workload.weights, parsed.workload.layer], ['cross-attention', 8]);
  assert.throws(
    () => parseTrafficOptions(['--images', 'a.gif', '-q', 'What?', '--weights', 'own']),
    /--weights is "own"/,
  );
});
