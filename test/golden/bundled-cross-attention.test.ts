/**
 * LLaVA-XAttn of the bundled weights (README.md), from the file to the answer: large images whose small text only the high-resolution tokens
 * show, and animations frame by frame.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Analysis, Pipeline } from '../../native/analysis/pipeline.ts';
import { bundledModelFolder } from '../../native/models.ts';
import { largestDifference, readGolden } from './golden-file.ts';
import { scenes } from './golden-scenes.ts';

const tolerance = 2e-3;

let folder = '';
const pipeline = new Pipeline();
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-cross-'));
});
after(async () => {
  await pipeline.release();
  await rm(folder, { recursive: true, force: true });
});

async function analyze(file: string, question: string): Promise<{ analysis: Analysis; promptLogits: Float32Array }> {
  let promptLogits = new Float32Array();
  const analysis = await pipeline.analyze(
    {
      imagePath: fileURLToPath(new URL(`../../media/samples/${file}`, import.meta.url)),
      question,
      modelFolder: bundledModelFolder(),
      tracePath: join(folder, `${file}.fovea`),
      maxNewTokens: 64,
      sampling: { mode: 'greedy' },
      method: { name: 'llava-xattn' },
      device: 'cpu',
      threads: 2,
      progressToken: '',
    },
    {
      observer: (logits, step) => {
        if (step === 0) promptLogits = Float32Array.from(logits);
      },
    },
  );
  return { analysis, promptLogits };
}

for (const { file, stem, question, cross_generated: answer, frames } of scenes) {
  test(`${file}: logits and answer with cross-attention are those of the training code`, async t => {
    const golden = readGolden(new URL(`${stem}.safetensors`, import.meta.url));
    const { analysis, promptLogits } = await analyze(file, question);
    const difference = largestDifference(promptLogits, golden('cross_logits_last').data);
    t.diagnostic(`largest difference of logits: ${difference.toExponential(1)}`);
    assert.ok(difference < tolerance, `logits differ by ${difference}`);
    assert.equal(analysis.answer, answer);
    const { metadata } = analysis;
    const generated = metadata.tokens.slice(metadata.promptTokens).map(({ id }) => id);
    assert.deepEqual(generated.slice(0, -1), [...golden('cross_generated_ids').data]);
    assert.deepEqual(metadata.crossAttention?.layers, [2, 5, 8, 11]);
    assert.equal(metadata.crossAttention.frames.length, frames ?? 0);
  });
}
