/**
 * LLaVA-XAttn of the bundled weights (README.md), from the file to the answer: large images whose small text only the high-resolution tokens
 * show, and animations frame by frame.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bundledRuns } from './bundled-runs.ts';
import { largestDifference, readGolden } from './golden-file.ts';
import { scenes } from './golden-scenes.ts';

const tolerance = 2e-3;
const { analyze } = bundledRuns();

for (const { file, stem, question, cross_generated: answer, frames } of scenes) {
  test(`${file}: logits and answer with cross-attention are those of the training code`, async t => {
    const golden = readGolden(new URL(`${stem}.safetensors`, import.meta.url));
    const { analysis, logits } = await analyze(file, question, { method: { name: 'llava-xattn' } });
    const difference = largestDifference(logits[0]!, golden('cross_logits_last').data);
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
