/**
 * Gated cross-attention against a torch implementation of its own (cross-attention/make_golden.py): a large image in tiles and
 * frames, prompt and two greedy steps, where every row looked and how much that changed it.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openCrossAttention } from '../../native/checkpoint/cross-attention-weights.ts';
import { openCheckpoint } from '../../native/checkpoint/checkpoint.ts';
import { gridSide, type ModelConfig, visualTokenCount } from '../../native/checkpoint/model-config.ts';
import { CrossAttentionRun } from '../../native/analysis/cross-attention-run.ts';
import type { CrossAttentionInput } from '../../native/analysis/cross-attention-input.ts';
import { DecoderRun } from '../../native/analysis/decoder-run.ts';
import { encodeTiles } from '../../native/analysis/high-resolution-image.ts';
import { loadOnnxEngine } from '../../native/engine/onnx/onnx-engine.ts';
import { TokenReducer } from '../../native/methods/token-reducer.ts';
import type { Prompt } from '../../native/prompt/build-prompt.ts';
import { fromHalf } from '../../trace/half.ts';
import { closeGates, crossAttentionFolder } from '../fixtures/cross-attention-folder.ts';
import { largestDifference, readGolden } from './golden-file.ts';

const golden = readGolden(new URL('./cross-attention/golden.safetensors', import.meta.url));
const logitTolerance = 1e-4;
/** Half precision keeps 11 bits of a probability. */
const attentionTolerance = 5e-4;

function promptOf(ids: readonly number[], config: ModelConfig): Prompt {
  const first = ids.indexOf(config.imageTokenId);
  const count = visualTokenCount(config);
  const tokens = ids
    .map((id, position) => ({ id, text: String(id), role: 'question' as const, position }))
    .filter(({ position }) => position < first || position >= first + count);
  return { question: '', text: '', templateSource: '', ids, visual: { first, count }, tokens };
}

async function run(t: TestContext, kind: 'tiles' | 'frames', gates: 'trained' | 'closed' = 'trained') {
  const folder = crossAttentionFolder(t);
  if (gates === 'closed') closeGates(folder);
  const checkpoint = await openCheckpoint(folder.path);
  const { config } = checkpoint;
  const weights = (await openCrossAttention(checkpoint))!;
  const engine = await loadOnnxEngine(checkpoint, { device: 'cpu', threads: 2 });
  t.after(() => engine.release());
  const ids = Array.from(golden(`${kind}/input_ids`).data);
  const prompt = promptOf(ids, config);
  const { layers, mostFrames, tiles } = weights.description;
  const side = config.vision.imageSize;
  const frames = golden('frames');
  const frame = (index: number): Float32Array =>
    frames.data.subarray(index * 3 * side ** 2, (index + 1) * 3 * side ** 2);
  const low = kind === 'tiles' ? golden('low').data : frame(0);
  const visual = (await encodeTiles(engine, config, { pixels: low, tiles: 1 })).features;
  const input: CrossAttentionInput = {
    plan: { input: 'auto', mostFrames, layers, tiles, notes: [] },
    weights,
    ...(kind === 'tiles' && { large: { pixels: golden('large').data, tiles } }),
    frames:
      kind === 'tiles'
        ? []
        : [0, 1, 2].map(index => ({ name: '', number: index + 1, rgb: new Uint8Array(3 * side ** 2), side })),
    framesAvailable: kind === 'tiles' ? 0 : 3,
    sources: [],
    pixelsOf: ({ number }) => frame(number - 1),
    crop: { x: 0, y: 0, width: side, height: side },
    notes: [],
  };
  const crossAttention = await CrossAttentionRun.prepare(engine, { config, prompt }, input, visual, { traced: true });
  const before = prompt.tokens.filter(({ position }) => position < prompt.visual.first).length;
  const decode = (options: { crossAttention?: CrossAttentionRun }) =>
    new DecoderRun(
      engine,
      { config, prompt, maxNewTokens: 3 },
      { reducer: TokenReducer.idle(gridSide(config.vision) ** 2, before), ...options },
    );
  const decoder = decode({ crossAttention });
  const answer = Array.from(golden(`${kind}/generated_ids`).data);
  const logits = [await decoder.prefill(visual)];
  for (const id of answer.slice(0, -1)) logits.push(await decoder.step(id));
  const plain = decode({});
  const plainLogits = [await plain.prefill(visual)];
  for (const id of answer.slice(0, -1)) plainLogits.push(await plain.step(id));
  return { logits, plainLogits, answer, crossAttention, weights };
}

for (const kind of ['tiles', 'frames'] as const) {
  test(`${kind}: logits of prompt and steps, attention and change of every row equal those of torch`, async t => {
    const { logits, plainLogits, answer, crossAttention, weights } = await run(t, kind);
    const expected = golden(`${kind}/step_logits`);
    const vocabulary = expected.shape[1]!;
    logits.forEach((found, step) => {
      const difference = largestDifference(found, expected.data.subarray(step * vocabulary, (step + 1) * vocabulary));
      assert.ok(difference < logitTolerance, `step ${step}: logits differ by ${difference}`);
      assert.equal(found.indexOf(Math.max(...found)), answer[step]);
    });
    const plain = largestDifference(plainLogits[0]!, golden(`${kind}/plain_logits`).data);
    assert.ok(plain < logitTolerance, `without cross-attention, logits differ by ${plain}`);
    assert.ok(largestDifference(logits[0]!, plainLogits[0]!) > 1, 'cross-attention changed nothing');

    const { described, tensors } = await crossAttention.describe();
    const attention = golden(`${kind}/attention`);
    const [layers, heads, rows, tokens] = attention.shape as [number, number, number, number];
    const recorded = tensors['cross_attention.to_tokens']!;
    const maps = kind === 'tiles' ? heads : 1;
    assert.deepEqual(recorded.shape, [rows, layers, maps, tokens]);
    const values = fromHalf(new Uint16Array(recorded.data.slice().buffer));
    const change = new Float32Array(tensors['cross_attention.change']!.data.slice().buffer);
    const goldenChange = golden(`${kind}/change`).data;
    for (let row = 0; row < rows; row++) {
      for (let layer = 0; layer < layers; layer++) {
        const byHead = Array.from({ length: heads }, (_, head) => {
          const start = ((layer * heads + head) * rows + row) * tokens;
          return attention.data.subarray(start, start + tokens);
        });
        const wanted = kind === 'tiles' ? byHead : [byHead[0]!.map((_, token) => mean(byHead.map(map => map[token]!)))];
        wanted.forEach((map, place) => {
          const start = ((row * layers + layer) * maps + place) * tokens;
          const difference = largestDifference(values.subarray(start, start + tokens), map);
          assert.ok(difference < attentionTolerance, `row ${row}, layer ${layer}: attention differs by ${difference}`);
        });
        const difference = Math.abs(change[row * layers + layer]! - goldenChange[layer * rows + row]!);
        assert.ok(difference < 1e-4, `row ${row}, layer ${layer}: change differs by ${difference}`);
        if (kind === 'frames') assertShares(tensors, row * layers + layer, byHead);
      }
    }
    assert.deepEqual(described.layers, weights.description.layers);
    described.gates.forEach((gate, layer) => {
      assert.ok(Math.abs(gate - Math.tanh(0.7 - 1.1 * layer)) < 1e-3);
    });
  });

  test(`${kind}: a gate of 0 gives the logits without cross-attention, bit by bit`, async t => {
    const { logits, plainLogits } = await run(t, kind, 'closed');
    assert.deepEqual(logits, plainLogits);
  });
}

function assertShares(
  tensors: Awaited<ReturnType<CrossAttentionRun['describe']>>['tensors'],
  place: number,
  byHead: readonly Float32Array[],
): void {
  const [, , heads, frames] = tensors['cross_attention.frame_share']!.shape as [number, number, number, number];
  const shares = new Float32Array(tensors['cross_attention.frame_share']!.data.slice().buffer);
  byHead.forEach((map, head) => {
    const perFrame = map.length / frames;
    for (let frame = 0; frame < frames; frame++) {
      const share = map.subarray(frame * perFrame, (frame + 1) * perFrame).reduce((sum, value) => sum + value, 0);
      const found = shares[(place * heads + head) * frames + frame]!;
      assert.ok(Math.abs(found - share) < 1e-5, `frame ${frame}: ${found}, expected ${share}`);
    }
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
