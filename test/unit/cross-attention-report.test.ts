/** What a report says of a long visual input: means of the trace's own rows, in every format. */
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import sharp from 'sharp';
import { Pipeline } from '../../native/analysis/pipeline.ts';
import { crossAttentionFiles } from '../../native/checkpoint/cross-attention-weights.ts';
import { readFloats } from '../../native/cli/trace-values.ts';
import { readInput } from '../../native/report/read-input.ts';
import { writeReport } from '../../native/report/write-report.ts';
import { openTraceFile } from '../../trace/file.ts';
import { linkCheckpointWithTokenizer } from '../fixtures/letter-tokenizer.ts';

const folder = await mkdtemp(path.join(os.tmpdir(), 'fovea-cross-report-'));
const model = path.join(folder, 'model');
await mkdir(model);
linkCheckpointWithTokenizer(path.resolve('test/golden/variants/gqa'), model);
for (const name of Object.values(crossAttentionFiles)) {
  copyFileSync(path.resolve('test/golden/cross-attention', name), path.join(model, name));
}
const still = path.resolve('media/samples/scene-04.png');
const clip = path.join(folder, 'clip.gif');
const scenes = [1, 2, 3].map(scene => sharp(`media/samples/scene-0${scene}.png`).resize(60, 60).png().toBuffer());
await sharp(await Promise.all(scenes), { join: { animated: true } })
  .gif()
  .toFile(clip);
const traces = { frames: path.join(folder, 'frames.fovea'), image: path.join(folder, 'image.fovea') };
const pipeline = new Pipeline();
for (const [imagePath, tracePath] of [
  [clip, traces.frames],
  [still, traces.image],
] as const) {
  await pipeline.analyze({
    ...{ imagePath, tracePath, question: 'What?', modelFolder: model, maxNewTokens: 4, sampling: { mode: 'greedy' } },
    ...{ method: { name: 'llava-xattn' }, device: 'cpu', threads: 1, progressToken: '' },
  });
}
await pipeline.release();
after(() => rm(folder, { recursive: true }));

test('shares of frames, changes and maps are the means of the rows that predict the answer', async () => {
  for (const tracePath of Object.values(traces)) {
    const trace = await openTraceFile(tracePath);
    const read = (await readInput(trace))!;
    const { described, rows, layers } = read;
    const { promptTokens, tokens } = trace.metadata;
    const first = promptTokens - 1 - described.firstRow;
    const change = await readFloats(trace, 'cross_attention.change');
    const ofImage = described.frames.length === 0;
    const values = await readFloats(trace, ofImage ? 'cross_attention.to_tokens' : 'cross_attention.frame_share');
    await trace.close();
    const found = layers.map(layer => (ofImage ? layer.map : layer.frames));
    const [depth, size] = [layers.length, found[0]!.length];
    layers.forEach((layer, place) => {
      let expected = 0;
      for (let row = 0; row < rows; row++) expected += change[(first + row) * depth + place]! / rows;
      assert.ok(Math.abs(layer.change - expected) < 1e-6);
      assert.ok(Math.abs(layer.gate - Math.tanh(0.7 - 1.1 * place)) < 1e-3);
      for (const at of [0, size - 1]) {
        let sum = 0;
        for (let row = 0; row < rows; row++)
          for (let head = 0; head < 4; head++)
            sum += values[(((first + row) * depth + place) * 4 + head) * size + at]! / 4 / rows;
        assert.ok(Math.abs(found[place]![at]! - sum) < 1e-6);
      }
      assert.ok(Math.abs(found[place]!.reduce((sum, value) => sum + value, 0) - 1) < 1e-3);
    });
    // The last token of the answer is never fed: as many rows as tokens predict them.
    assert.ok(rows > 0 && rows <= tokens.length - promptTokens);
  }
});

test('pages and numbers tell of it', async () => {
  for (const [kind, title] of [
    ['frames', 'Which frames it read'],
    ['image', 'What it read of the large image'],
  ] as const) {
    for (const format of ['html', 'md', 'json'] as const) {
      const out = path.join(folder, `${kind}.${format}`);
      await writeReport({ sources: [traces[kind]], outPath: out, format });
      const text = await readFile(out, 'utf8');
      if (format !== 'json') assert.ok(text.includes(title), `${kind}.${format}`);
      else {
        const numbers = JSON.parse(text) as { crossAttention: { rows: number; frames: number[] } };
        assert.equal(numbers.crossAttention.frames.length, kind === 'frames' ? 3 : 0);
      }
    }
  }
});
