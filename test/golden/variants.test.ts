/**
 * Odd little checkpoints, each differing from the bundled model in one way, against what Hugging Face transformers
 * computes with them (variants/make_variants.py). This is the proof that nothing is fixed to one model.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { openCheckpoint } from '../../native/checkpoint/checkpoint.ts';
import { visualTokenCount } from '../../native/checkpoint/model-config.ts';
import type { AttentionQuery, Engine, EngineTensor, KeyValueCache } from '../../native/engine/engine.ts';
import { loadOnnxEngine } from '../../native/engine/onnx/onnx-engine.ts';
import { largestDifference, readGolden, type GoldenTensor } from './golden-file.ts';

const folder = new URL('./variants/', import.meta.url);
const variants = readdirSync(folder, { withFileTypes: true })
  .filter(entry => entry.isDirectory() && entry.name !== 'images')
  .map(entry => entry.name);
const logitTolerance = 2e-3;
const attentionTolerance = 1e-4;

/** Row `row` of every head of one layer: from [layers, heads, rows, keys] to [heads, keys]. */
function goldenRow(golden: GoldenTensor, layer: number, row: number): Float32Array {
  const [, heads, rows, keys] = golden.shape as [number, number, number, number];
  const values = new Float32Array(heads * keys);
  for (let head = 0; head < heads; head++) {
    const start = ((layer * heads + head) * rows + row) * keys;
    values.set(golden.data.subarray(start, start + keys), head * keys);
  }
  return values;
}

function headMean(perHead: Float32Array, heads: number): Float32Array {
  const keys = perHead.length / heads;
  return Float32Array.from({ length: keys }, (_, key) => {
    let sum = 0;
    for (let head = 0; head < heads; head++) sum += perHead[head * keys + key]!;
    return sum / heads;
  });
}

for (const name of variants) {
  test(`${name}: vision attention, decoder attention, logits and greedy answer equal those of transformers`, async t => {
    const golden = readGolden(new URL(`${name}/golden.safetensors`, folder));
    const checkpoint = await openCheckpoint(fileURLToPath(new URL(name, folder)));
    const { config } = checkpoint;
    const engine = await loadOnnxEngine(checkpoint, { device: 'cpu', threads: 2 });
    t.after(() => engine.release());

    const visionAttention = golden('vision_attention');
    const features = new Map<number, EngineTensor>();
    let hidden = await engine.embedPatches(golden('pixels').data);
    features.set(-1, hidden);
    let visionDifference = 0;
    for (let layer = 0; layer < config.vision.layers; layer++) {
      const result = await engine.runVisionAttention(layer, hidden, { traced: true });
      hidden = await engine.runVisionMlp(layer, result.middle);
      features.set(layer, hidden);
      const expected = goldenRow(visionAttention, layer, 0);
      visionDifference = Math.max(visionDifference, largestDifference(result.clsAttention!, expected));
    }
    assert.ok(visionDifference < attentionTolerance, `CLS attention differs by ${visionDifference}`);
    const visual = await engine.project(config.featureLayers.map(layer => features.get(layer)!));

    const ids = Array.from(golden('input_ids').data);
    const first = ids.indexOf(config.imageTokenId);
    const count = visualTokenCount(config);
    const last = ids.length - 1;
    const sequence = engine.concatenate([
      await engine.embedTokens(ids.slice(0, first)),
      visual,
      await engine.embedTokens(ids.slice(first + count)),
    ]);
    const cache = engine.createCache(ids.length + 6);
    const span = { first, count };
    const prefill = await runDecoder(engine, config.decoder.layers, sequence, 0, cache, last, span);
    const heads = config.decoder.heads;
    const prefillGolden = golden('decoder_attention');
    let attentionDifference = 0;
    prefill.rows.forEach((row, layer) => {
      const expected = goldenRow(prefillGolden, layer, last);
      attentionDifference = Math.max(
        attentionDifference,
        largestDifference(row.meanOverHeads, headMean(expected, heads)),
        largestDifference(row.toVisual, visualColumns(expected, heads, span)),
      );
    });

    const steps = golden('step_logits');
    const expectedIds = Array.from(golden('generated_ids').data);
    const vocabulary = config.decoder.vocabularySize;
    let logits = await engine.logits(prefill.hidden, last);
    let logitDifference = 0;
    for (const [step, expectedId] of expectedIds.entries()) {
      const expected = steps.data.subarray(step * vocabulary, (step + 1) * vocabulary);
      logitDifference = Math.max(logitDifference, largestDifference(logits, expected));
      if (step === expectedIds.length - 1) break;
      const decoded = await runDecoder(
        engine,
        config.decoder.layers,
        await engine.embedTokens([expectedId]),
        ids.length + step,
        cache,
        0,
        span,
      );
      logits = await engine.logits(decoded.hidden, 0);
      if (step === expectedIds.length - 2) {
        const lastGolden = golden('last_step_attention');
        const keys = lastGolden.shape[2]!;
        decoded.rows.forEach((row, layer) => {
          const expectedRow = lastGolden.data.subarray(layer * heads * keys, (layer + 1) * heads * keys);
          attentionDifference = Math.max(
            attentionDifference,
            largestDifference(row.meanOverHeads, headMean(expectedRow, heads)),
          );
        });
      }
    }
    t.diagnostic(
      `largest difference: CLS attention ${visionDifference.toExponential(1)}, decoder attention ${attentionDifference.toExponential(1)}, logits ${logitDifference.toExponential(1)}`,
    );
    assert.ok(attentionDifference < attentionTolerance, `decoder attention differs by ${attentionDifference}`);
    assert.ok(logitDifference < logitTolerance, `logits differ by ${logitDifference}`);
  });
}

async function runDecoder(
  engine: Engine,
  layers: number,
  input: EngineTensor,
  position: number,
  cache: KeyValueCache,
  row: number,
  visual: AttentionQuery['visual'],
) {
  const rowsIn = input.shape[0]!;
  const keys = position + rowsIn;
  const rows: { meanOverHeads: Float32Array; toVisual: Float32Array }[] = [];
  let hidden = input;
  for (let layer = 0; layer < layers; layer++) {
    const result = await engine.runDecoderLayer(layer, hidden, {
      positions: Int32Array.from({ length: rowsIn }, (_, i) => position + i),
      sequenceLength: keys,
      cache,
      attention: { rows: Int32Array.of(row), visual, groups: new Float32Array(keys).fill(1), groupCount: 1 },
    });
    hidden = result.hidden;
    const attention = result.attention!;
    for (const sum of attention.mass) assert.ok(Math.abs(sum - 1) < 1e-5, `a row sums to ${sum}`);
    rows.push(attention);
  }
  return { hidden, rows };
}

function visualColumns(row: Float32Array, heads: number, { first, count }: AttentionQuery['visual']): Float32Array {
  const keys = row.length / heads;
  const values = new Float32Array(heads * count);
  for (let head = 0; head < heads; head++) {
    values.set(row.subarray(head * keys + first, head * keys + first + count), head * count);
  }
  return values;
}
