import assert from 'node:assert/strict';
import { test } from 'node:test';
import { summarizeAnswer } from '../../native/analysis/answer-attention.ts';
import { type RecordedKeys, TraceRecorder } from '../../native/analysis/trace-recorder.ts';
import { VisualTokens } from '../../native/methods/visual-tokens.ts';
import type { RowAttention } from '../../native/engine/engine.ts';
import { AttentionRollout } from '../../native/engine/onnx/attention-rollout.ts';
import { fromHalf } from '../../trace/half.ts';
import { massGroups } from '../../trace/schema.ts';
import type { TraceTensors } from '../../trace/writer.ts';
import { smallRun } from '../fixtures/small-run.ts';

/** Rows that sum to 1, uneven. */
function randomRows(rows: number, columns: number, seed: number): Float32Array {
  const values = new Float32Array(rows * columns);
  let state = seed;
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    const drawn = Array.from({ length: columns }, () => (state = (state * 48271) % 2147483647) / 2147483647 + 0.01);
    for (const value of drawn) sum += value;
    values.set(
      drawn.map(value => value / sum),
      row * columns,
    );
  }
  return values;
}

const settings = { device: 'cpu', threads: 1 } as const;

test('rollout equals the product of all residual attention matrices', async () => {
  const tokens = 7;
  const layers = [1, 2, 3].map(seed => randomRows(tokens, tokens, seed));
  const session = await AttentionRollout.load(layers.length, settings);
  const rollout = await session.run(layers);
  await session.release();
  let product = Array.from({ length: tokens }, (_, i) => Array.from({ length: tokens }, (_, j) => Number(i === j)));
  layers.forEach((attention, layer) => {
    product = product.map((_, i) =>
      product.map((_, j) => {
        let sum = 0;
        for (let k = 0; k < tokens; k++)
          sum += (0.5 * attention[i * tokens + k]! + (i === k ? 0.5 : 0)) * product[k]![j]!;
        return sum;
      }),
    );
    const expected = product[0]!.slice(1);
    expected.forEach((value, patch) => {
      assert.ok(Math.abs(rollout[layer * (tokens - 1) + patch]! - value) < 1e-6);
    });
  });
});

test('rollout of one uniform layer gives every patch half an equal share', async () => {
  const session = await AttentionRollout.load(1, settings);
  const rollout = await session.run([new Float32Array(16).fill(0.25)]);
  await session.release();
  assert.equal(rollout.length, 3);
  rollout.forEach(value => {
    assert.ok(Math.abs(value - 0.125) < 1e-7);
  });
});

const shape = { visionLayers: 1, visionHeads: 2, patches: 3, layers: 2, heads: 2, visualTokens: 3 };

const patches = VisualTokens.ofPatches(3);

function keysOf(queries: readonly number[], textColumns: readonly number[]): RecordedKeys {
  return {
    queries,
    queryCount: queries.length,
    tokens: patches,
    leading: 0,
    firstVisual: 1,
    textColumns: Int32Array.from(textColumns),
  };
}

/** Attention over 5 keys, visual ones at 1 to 3, for `rows` rows: what an engine hands out. */
function attentionOf(rows: number, keys: number, seed: number): RowAttention & { readonly full: Float32Array } {
  const full = randomRows(shape.heads * rows, keys, seed);
  const toVisual = new Float32Array(shape.heads * rows * 3);
  const mass = new Float32Array(shape.heads * rows * massGroups.length);
  const meanOverHeads = new Float32Array(rows * keys);
  for (let head = 0; head < shape.heads; head++) {
    for (let row = 0; row < rows; row++) {
      const from = head * rows + row;
      for (let key = 0; key < keys; key++) {
        const value = full[from * keys + key]!;
        const group = key >= 1 && key <= 3 ? 0 : key === 0 ? 1 : key === 4 ? 3 : 4;
        if (group === 0) toVisual[from * 3 + key - 1] = value;
        mass[from * massGroups.length + group]! += value;
        meanOverHeads[row * keys + key]! += value / shape.heads;
      }
    }
  }
  return { toVisual, meanOverHeads, mass, full };
}

function values(tensors: TraceTensors, name: keyof TraceTensors): Float32Array {
  const { data, dtype } = tensors[name]!;
  const { buffer } = new Uint8Array(data);
  return dtype === 'F16' ? fromHalf(new Uint16Array(buffer)) : new Float32Array(buffer);
}

test('rows of prefill and decode land where the schema says, zero for tokens that come later', () => {
  const recorder = new TraceRecorder(shape);
  const prefill = [1, 2].map(seed => attentionOf(2, 5, seed));
  const step = [3, 4].map(seed => attentionOf(1, 6, seed));
  const first = recorder.startRows(2, 2);
  prefill.forEach((attention, layer) => {
    first.addLayer(layer, attention, keysOf([0, 1], [0, 4]));
  });
  first.finish();
  const second = recorder.startRows(1, 3);
  step.forEach((attention, layer) => {
    second.addLayer(layer, attention, keysOf([0], [0, 4, 5]));
  });
  second.finish();
  recorder.startRows(1, 4).addLayer(0, attentionOf(1, 7, 5), keysOf([0], [0, 4, 5, 6]));

  const tensors = recorder.tensors(4);
  assert.deepEqual(tensors['decoder.attention_to_image']!.shape, [3, 2, 2, 3], 'an unfinished row is left out');
  const toImage = values(tensors, 'decoder.attention_to_image');
  const toText = values(tensors, 'decoder.attention_to_text');
  const mass = values(tensors, 'decoder.attention_mass');
  const near = (actual: number, expected: number): void => {
    assert.ok(Math.abs(actual - expected) < 3e-4, `${actual} instead of ${expected}`);
  };
  for (let row = 0; row < 3; row++) {
    for (let layer = 0; layer < 2; layer++) {
      const source = row < 2 ? prefill[layer]! : step[layer]!;
      const [rows, keys, index] = row < 2 ? [2, 5, row] : [1, 6, 0];
      for (let head = 0; head < 2; head++) {
        for (let visual = 0; visual < 3; visual++) {
          const expected = source.full[(head * rows + index) * keys + 1 + visual]!;
          near(toImage[((row * 2 + layer) * 2 + head) * 3 + visual]!, expected);
        }
        let sum = 0;
        for (let group = 0; group < 5; group++) sum += mass[((row * 2 + layer) * 2 + head) * 5 + group]!;
        near(sum, 1);
      }
      const columns = Array.from(toText.subarray((row * 2 + layer) * 4, (row * 2 + layer + 1) * 4));
      near(columns[0]!, source.meanOverHeads[index * keys]!);
      near(columns[1]!, source.meanOverHeads[index * keys + 4]!);
      near(columns[2]!, row < 2 ? 0 : source.meanOverHeads[5]!);
      assert.equal(columns[3], 0);
    }
  }
});

test('where the answer looked is what its rows in the tensors say, with and without the row that predicts the end', async () => {
  for (const ended of [false, true]) {
    const recorder = new TraceRecorder(shape);
    [2, 1, 1].forEach((rows, step) => {
      const writer = recorder.startRows(rows, 2 + step);
      const columns = [0, ...Array.from({ length: step + 1 }, (_, index) => 4 + index)];
      for (const layer of [0, 1]) {
        const queries = Array.from({ length: rows }, (_, row) => row);
        writer.addLayer(layer, attentionOf(rows, 5 + step, 7 * step + layer + 1), keysOf(queries, columns));
      }
      writer.finish();
    });
    recorder.startRows(1, 5).addLayer(0, attentionOf(1, 8, 5), keysOf([0], [0, 4, 5, 6, 7]));
    const summary = recorder.summarizeAnswer(ended)!;
    const toImage = values(recorder.tensors(5), 'decoder.attention_to_image');
    const run = {
      promptTokens: 2,
      tokens: [...smallRun.tokens, ...smallRun.tokens].slice(0, 5),
      generation: { ...smallRun.generation, stop: ended ? 'end-of-sequence' : 'length' },
      visual: { ...smallRun.visual, leading: 0, count: 3 },
      model: { ...smallRun.model, decoder: { ...smallRun.model.decoder, layers: 2, heads: 2 } },
    } as const;
    const expected = (await summarizeAnswer(run, row => toImage.slice(row * 12, (row + 1) * 12)))!;
    assert.equal(summary.answerTokens, ended ? 2 : 3);
    assert.equal(summary.answerTokens, expected.answerTokens);
    assert.equal(summary.layer, expected.layer);
    summary.maps.forEach((map, layer) => {
      map.forEach((value, patch) => {
        assert.ok(Math.abs(value - expected.maps[layer]![patch]!) < 3e-4);
      });
    });
  }
});

test('CLS attention is split from what CLS gives itself, and the stated tolerance holds', () => {
  const recorder = new TraceRecorder(shape);
  const cls = randomRows(2, 4, 11);
  recorder.addVisionLayer(0, cls, patches);
  const tensors = recorder.tensors(1);
  const toPatches = values(tensors, 'vision.cls_attention');
  const self = values(tensors, 'vision.cls_self_attention');
  assert.deepEqual([...self], [cls[0], cls[4]]);
  for (let head = 0; head < 2; head++) {
    const sum = toPatches.subarray(head * 3, head * 3 + 3).reduce((acc, value) => acc + value, self[head]!);
    assert.ok(Math.abs(sum - 1) <= recorder.sumTolerance, `${sum}`);
  }
  assert.ok(recorder.sumTolerance < 1e-3);
});

test('attention that does not sum to 1 is not hidden by the tolerance', () => {
  const recorder = new TraceRecorder(shape);
  recorder.addVisionLayer(0, new Float32Array(8).fill(0.2), patches);
  assert.ok(Math.abs(recorder.sumTolerance - 0.2) < 1e-3);
});
