/** Parts of LLaVA-XAttn on their own: what the command line takes, what is kept of long answers, what it costs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { orderOf } from '../../extension/analysis/run-order.ts';
import { CrossAttentionRecorder } from '../../native/analysis/cross-attention-recorder.ts';
import { parseAnalyzeOptions } from '../../native/cli/analyze-options.ts';
import { crossAttentionMacs } from '../../trace/cross-attention-costs.ts';
import { fromHalf } from '../../trace/half.ts';

test('the command line takes several images', () => {
  const request = (...words: string[]) => parseAnalyzeOptions(words).request;
  const { imagePath, furtherImages, question } = request('a.png', 'What?', '--image', 'b.png', '--image', 'c.png');
  assert.deepEqual([imagePath, furtherImages, question], ['a.png', ['b.png', 'c.png'], 'What?']);
  const named = request('--image', 'a.png', '--image', 'b.png', 'What?');
  assert.deepEqual([named.imagePath, named.furtherImages, named.question], ['a.png', ['b.png'], 'What?']);
  const mixed = request('a.png', '--image', 'b.png', '--question', 'What?');
  assert.deepEqual([mixed.imagePath, mixed.furtherImages, mixed.question], ['a.png', ['b.png'], 'What?']);
  assert.equal(request('a.png', 'What?').furtherImages, undefined);
  assert.throws(() => request('--image', 'a.png', 'b.png', 'What?', 'now'), /one word too many/);
});

test('where every head would take too much room, their mean is kept from the first row on', () => {
  const shape = { layers: 1, heads: 2, tokens: 4, frames: 0 };
  const recorder = new CrossAttentionRecorder(shape, 2 * 2 * 4 * 2);
  const row = (a: readonly number[], b: readonly number[]): void => {
    recorder.add(0, {
      hidden: { shape: [1] },
      probabilities: Float32Array.from([...a, ...b]),
      change: Float32Array.of(0.5),
    });
    recorder.finishStep();
  };
  row([1, 0, 0, 0], [0, 1, 0, 0]);
  row([0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0]);
  assert.equal(recorder.maps, 'heads');
  row([0, 0, 1, 0], [0, 0, 0, 1]);
  assert.equal(recorder.maps, 'mean');
  const { shape: kept, data } = recorder.tensors()['cross_attention.to_tokens']!;
  assert.deepEqual(kept, [3, 1, 1, 4]);
  const values = Array.from(fromHalf(new Uint16Array(data.slice().buffer)));
  assert.deepEqual(values, [0.5, 0.5, 0, 0, 0.5, 0.5, 0, 0, 0, 0, 0.5, 0.5]);
});

test('MACs are those of the projections and products, counted by hand', () => {
  const run = {
    model: { decoder: { hiddenSize: 10 } },
    promptTokens: 7,
    reduction: { decodeSteps: 3 },
    crossAttention: {
      layers: [0, 1],
      heads: 4,
      keyValueHeads: 2,
      headSize: 3,
      firstRow: 2,
      grid: { rows: 2, columns: 5 },
      frames: [{}, {}],
    },
  } as unknown as Parameters<typeof crossAttentionMacs>[0];
  // 20 tokens; keys and values 20 × 10 × 6 each, two layers; a row: q and o 10 × 12 each, scores and sums 12 × 20 each.
  const perRow = 2 * (2 * 10 * 12 + 2 * 12 * 20);
  assert.deepEqual(crossAttentionMacs(run), { project: 2 * 2 * 20 * 10 * 6, prefill: 5 * perRow, decode: 3 * perRow });
});

test('a run of several files is run again with all of them, by another method with the first frame', () => {
  const decoder = {
    model: { bundled: true, folder: '/model' },
    generation: { maxNewTokens: 9, sampling: { mode: 'greedy' } },
  };
  const run = (sources: readonly string[]) =>
    ({ ...decoder, image: { path: '/a.png' }, crossAttention: { sources } }) as unknown as Parameters<
      typeof orderOf
    >[0];
  const again = (sources: readonly string[], method: string) =>
    orderOf(run(sources), { method, parameters: {} }, '/bundled').sources;
  assert.deepEqual(again(['/a.png', '/b.png'], 'llava-xattn'), ['/a.png', '/b.png']);
  assert.deepEqual(again(['/frames'], 'llava-xattn'), ['/frames']);
  assert.equal(again(['/a.png'], 'llava-xattn'), undefined);
  assert.equal(again(['/a.png', '/b.png'], 'fastv'), undefined);
});
