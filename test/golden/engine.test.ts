/**
 * The engine on the bundled model against Hugging Face transformers in float32, for six images and questions
 * (README.md beside this file): from the resized pixels to the answer, so that every graph and the cache take part.
 */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { openCheckpoint } from '../../native/checkpoint/checkpoint.ts';
import { visualTokenCount, type ModelConfig } from '../../native/checkpoint/model-config.ts';
import type { AttentionQuery, Engine, EngineTensor, KeyValueCache } from '../../native/engine/engine.ts';
import { loadOnnxEngine } from '../../native/engine/onnx/onnx-engine.ts';
import { largestDifference, readGolden } from './golden-file.ts';

const scenes = ['scene-01', 'scene-02', 'scene-03', 'scene-04', 'scene-05', 'scene-06'];
const absoluteTolerance = 2e-3;
/** Of the largest magnitude; the golden values are half precision, which alone makes 5e-4. */
const relativeTolerance = 1e-3;
const clipMean = [0.48145466, 0.4578275, 0.40821073];
const clipDeviation = [0.26862954, 0.26130258, 0.27577711];

let engine: Engine;
let config: ModelConfig;

before(async () => {
  const checkpoint = await openCheckpoint(fileURLToPath(new URL('../../media/models/fovea-tiny', import.meta.url)));
  config = checkpoint.config;
  engine = await loadOnnxEngine(checkpoint, { device: 'cpu', threads: 2 });
});

after(() => engine.release());

for (const scene of scenes) {
  test(`${scene}: attention, features, logits and answer equal those of transformers`, async t => {
    const golden = readGolden(new URL(`${scene}.safetensors`, import.meta.url));
    const vision = await runVision(golden('resized_rgb').data);
    const visual = await engine.project(vision.features);

    const ids = Array.from(golden('input_ids').data);
    const first = ids.indexOf(config.imageTokenId);
    const count = visualTokenCount(config);
    const input = engine.concatenate([
      await engine.embedTokens(ids.slice(0, first)),
      visual,
      await engine.embedTokens(ids.slice(first + count)),
    ]);
    const expectedIds = Array.from(golden('generated_ids').data);
    const cache = engine.createCache(ids.length + expectedIds.length);
    const prefill = await runDecoder(input, 0, cache, { first, count });
    const logits = await engine.logits(prefill.hidden, ids.length - 1);
    const generated = await generate(logits, ids.length, expectedIds.length, cache, { first, count });

    const absolute = {
      'CLS attention': largestDifference(vision.clsAttention, golden('vit_cls_attn').data),
      'decoder attention': largestDifference(prefill.lastRows, golden('dec_attn_last').data),
      logits: largestDifference(logits, golden('logits_last').data),
    };
    const relative = {
      'vision hidden states': relativeDifference(engine.read(vision.features[0]!), golden('vit_hidden_m2').data),
      'visual tokens': relativeDifference(engine.read(visual), golden('image_features').data),
    };
    for (const [what, difference] of Object.entries({ ...absolute, ...relative })) {
      t.diagnostic(`largest difference of ${what}: ${difference.toExponential(1)}`);
    }
    for (const [what, difference] of Object.entries(absolute)) {
      assert.ok(difference < absoluteTolerance, `${what} differ by ${difference}`);
    }
    for (const [what, difference] of Object.entries(relative)) {
      assert.ok(difference < relativeTolerance, `${what} differ by ${difference} of the largest value`);
    }
    assert.deepEqual(generated, expectedIds);
  });
}

test('asking for attention changes neither hidden states nor keys: the answer stays the same bit for bit', async () => {
  const golden = readGolden(new URL('scene-01.safetensors', import.meta.url));
  const ids = Array.from(golden('input_ids').data).filter(id => id !== config.imageTokenId);
  const input = await engine.embedTokens(ids);
  const [traced, untraced] = [engine.createCache(ids.length), engine.createCache(ids.length)];
  const withTrace = await runDecoder(input, 0, traced, { first: 1, count: 2 });
  const without = await runDecoder(input, 0, untraced);
  assert.deepEqual(engine.read(without.hidden), engine.read(withTrace.hidden));
});

test('a prompt run in two steps gives the hidden states of one step', async () => {
  const ids = [1, 20, 31, 42, 53, 64, 75, 86];
  const input = await engine.embedTokens(ids);
  const whole = await runDecoder(input, 0, engine.createCache(ids.length));
  // A cache that starts too small has to grow on the way.
  const cache = engine.createCache(3);
  await runDecoder(await engine.embedTokens(ids.slice(0, 5)), 0, cache);
  const rest = await runDecoder(await engine.embedTokens(ids.slice(5)), 5, cache);
  assert.equal(cache.length(config.decoder.layers - 1), ids.length);
  const tail = engine.read(whole.hidden).subarray(5 * config.decoder.hiddenSize);
  const difference = relativeDifference(engine.read(rest.hidden), tail);
  assert.ok(difference < 1e-5, `hidden states differ by ${difference}`);
});

async function runVision(rgb: Float32Array): Promise<{ features: EngineTensor[]; clsAttention: Float32Array }> {
  const { layers, heads } = config.vision;
  const perChannel = rgb.length / 3;
  let hidden = await engine.embedPatches(
    rgb.map((value, i) => {
      const channel = Math.floor(i / perChannel);
      return (value / 255 - clipMean[channel]!) / clipDeviation[channel]!;
    }),
  );
  const outputs: EngineTensor[] = [];
  const attention: number[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const result = await engine.runVisionAttention(layer, hidden, { traced: true });
    hidden = await engine.runVisionMlp(layer, result.middle);
    outputs.push(hidden);
    const tokens = hidden.shape[0]!;
    const meanRow = headMean(result.clsAttention!, heads);
    assert.ok(
      largestDifference(meanRow, result.meanAttention!.slice(0, tokens)) < 1e-6,
      'the mean has the CLS row first',
    );
    attention.push(...meanRow.subarray(1));
  }
  const features = config.featureLayers.map(layer => outputs[layer]!);
  return { features, clsAttention: Float32Array.from(attention) };
}

/** Runs all layers; traces the last row when given where the visual tokens are. */
async function runDecoder(
  input: EngineTensor,
  position: number,
  cache: KeyValueCache,
  visual?: AttentionQuery['visual'],
): Promise<{ hidden: EngineTensor; lastRows: Float32Array }> {
  const rows = input.shape[0]!;
  const keys = position + rows;
  const attention = visual && {
    rows: Int32Array.of(rows - 1),
    visual,
    groups: new Float32Array(keys).fill(1),
    groupCount: 1,
  };
  const lastRows: number[] = [];
  let hidden = input;
  for (let layer = 0; layer < config.decoder.layers; layer++) {
    const result = await engine.runDecoderLayer(layer, hidden, {
      positions: Int32Array.from({ length: rows }, (_, i) => position + i),
      sequenceLength: keys,
      cache,
      ...(attention && { attention }),
    });
    hidden = result.hidden;
    if (!attention) {
      assert.equal(result.attention, undefined);
      continue;
    }
    const { meanOverHeads, toVisual, mass } = result.attention!;
    lastRows.push(...meanOverHeads);
    const visualColumns = meanOverHeads.subarray(
      attention.visual.first,
      attention.visual.first + attention.visual.count,
    );
    assert.ok(largestDifference(headMean(toVisual, config.decoder.heads), visualColumns) < 1e-6);
    for (const sum of mass) assert.ok(Math.abs(sum - 1) < 1e-5, `a row of attention sums to ${sum}`);
  }
  return { hidden, lastRows: Float32Array.from(lastRows) };
}

async function generate(
  firstLogits: Float32Array,
  promptLength: number,
  most: number,
  cache: KeyValueCache,
  visual: AttentionQuery['visual'],
): Promise<number[]> {
  const generated: number[] = [];
  let logits = firstLogits;
  for (;;) {
    const id = logits.reduce((best, value, candidate) => (value > logits[best]! ? candidate : best), 0);
    generated.push(id);
    if (config.endTokenIds.includes(id) || generated.length === most) return generated;
    const step = await runDecoder(await engine.embedTokens([id]), promptLength + generated.length - 1, cache, visual);
    logits = await engine.logits(step.hidden, 0);
  }
}

/** [heads, n] to [n] */
function headMean(perHead: Float32Array, heads: number): Float32Array {
  const size = perHead.length / heads;
  return Float32Array.from({ length: size }, (_, i) => {
    let sum = 0;
    for (let head = 0; head < heads; head++) sum += perHead[head * size + i]!;
    return sum / heads;
  });
}

function relativeDifference(actual: Float32Array, expected: Float32Array): number {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return largestDifference(actual, expected) / largest;
}
