/** All tokens of a larger image in the sequence: sizes, positions of the vision tower, tiles, and what is refused. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { enlargedSettings } from '../../native/analysis/high-resolution-input.ts';
import { type Analysis, Pipeline } from '../../native/analysis/pipeline.ts';
import { checkTrace } from '../../native/cli/trace-check.ts';
import { checkInputSize } from '../../native/image/preprocess.ts';
import { parseProcessorSettings } from '../../native/image/processor-settings.ts';
import { bundledModelFolder } from '../../native/models.ts';
import { openTraceFile } from '../../trace/file.ts';

const folder = await mkdtemp(path.join(os.tmpdir(), 'fovea-hd-'));
const pipeline = new Pipeline();
after(async () => {
  await pipeline.release();
  await rm(folder, { recursive: true });
});

function analyze(side: number, name = 'llava-hd'): Promise<Analysis> {
  return pipeline.analyze({
    imagePath: path.resolve('media/samples/scene-03.png'),
    question: 'What is in the center?',
    modelFolder: bundledModelFolder(),
    tracePath: path.join(folder, 'run.fovea'),
    maxNewTokens: 2,
    sampling: { mode: 'greedy' },
    method: { name, parameters: { side } },
    device: 'cpu',
    threads: 2,
    progressToken: '',
  });
}

for (const [side, grid, tiles] of [
  [448, 32, undefined],
  [672, 48, 4],
] as const) {
  test(`${side} pixels put ${grid} x ${grid} tokens into the sequence, and every row of the trace sums to 1`, async () => {
    const { metadata, tracePath } = await analyze(side);
    assert.deepEqual(metadata.visual.grid, { rows: grid, columns: grid });
    assert.equal(metadata.reduction!.visionTiles, tiles);
    assert.ok(metadata.reduction!.layers.every(({ entering }) => entering === grid ** 2));
    assert.deepEqual(metadata.image.input, { width: side, height: side });
    assert.match(metadata.method.notes!.join(), /not trained on larger images/);
    const trace = await openTraceFile(tracePath);
    assert.ok((await checkTrace(trace)).ok);
    await trace.close();
  });
}

test('at the size of the model it is the model: the same tokens with the same probabilities', async () => {
  const own = await analyze(336);
  const { metadata } = await pipeline.analyze({
    imagePath: path.resolve('media/samples/scene-03.png'),
    question: 'What is in the center?',
    modelFolder: bundledModelFolder(),
    tracePath: path.join(folder, 'plain.fovea'),
    maxNewTokens: 2,
    sampling: { mode: 'greedy' },
    device: 'cpu',
    threads: 2,
    progressToken: '',
  });
  assert.deepEqual(own.metadata.tokens, metadata.tokens);
});

test('the processor makes whole pixels of every side that is a whole number of patches', () => {
  for (const [imageSize, patchSize] of [
    [224, 16],
    [336, 14],
  ] as const) {
    const own = parseProcessorSettings({}, imageSize, 'defaults of CLIP');
    for (let side = patchSize; side <= 2048; side += patchSize) {
      checkInputSize({ width: 640, height: 480 }, enlargedSettings(own, side / imageSize), side);
    }
  }
});

test('a size that is no whole number of patches, and fetching beside it, are refused', async () => {
  await assert.rejects(analyze(450), { code: 'usage', hint: /448/ });
  await assert.rejects(analyze(448, 'llava-hd+flexattention'), { code: 'usage', message: /in its sequence already/ });
});
