/** The mathematics of SparseVLM, each against a way of computing it that is written down here. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../native/analysis/random.ts';
import type { JsonObject } from '../../native/checkpoint-file.ts';
import { parseModelConfig } from '../../native/checkpoint/parse-config.ts';
import type { ModelShape } from '../../native/methods/method.ts';
import { modelShape } from '../../native/methods/model-shape.ts';
import { densityPeaks } from '../../native/methods/sparsevlm/density-peaks.ts';
import { matrixRank } from '../../native/methods/sparsevlm/matrix-rank.ts';
import {
  gravity,
  meanOverRaters,
  raterMatrix,
  strongestHeads,
} from '../../native/methods/sparsevlm/rater-attention.ts';
import { chooseRaters, textRelevance } from '../../native/methods/sparsevlm/raters.ts';
import { recycled } from '../../native/methods/sparsevlm/token-tables.ts';
import { knownShapes } from '../../native/planning/known-shapes.ts';

test('raters are the words above the mean relevance; those at the mean only by the publication', () => {
  // Two visual tokens; products with the three words are (1, 0, 0) and (0, 0, 2).
  const visual = Float32Array.of(1, 0, 0, 2);
  const text = Float32Array.of(1, 0, 0, 0, 0, 1);
  const { ofText, nearestText, nearestShare } = textRelevance(visual, text, 3);
  const [first, second] = [Math.E + 2, Math.exp(2) + 2];
  const expected = [Math.E / first + 1 / second, 1 / first + 1 / second, 1 / first + Math.exp(2) / second];
  expected.forEach((value, word) => {
    assert.ok(Math.abs(ofText[word]! - value / 2) < 1e-12);
  });
  assert.deepEqual([...nearestText], [0, 2]);
  assert.ok(Math.abs(nearestShare[1]! - Math.exp(2) / second) < 1e-6);
  assert.deepEqual(chooseRaters(ofText, 'above'), [0, 2]);
  assert.deepEqual(chooseRaters(Float64Array.of(0.25, 0.25, 0.25, 0.25), 'above'), []);
  assert.deepEqual(chooseRaters(Float64Array.of(0.25, 0.25, 0.25, 0.25), 'at-least'), [0, 1, 2, 3]);
});

test('equal points make one centre, the lowest, and a second one elsewhere', () => {
  const points = Float32Array.of(0, 0, 0, 0, 0, 0, 5, 5, 5, 5);
  const { centres, clusterOf, delta } = densityPeaks(points, 5, 2, 'euclidean');
  assert.deepEqual([...centres].sort(), [0, 3]);
  assert.deepEqual(
    Array.from(clusterOf, cluster => centres[cluster]),
    [0, 0, 0, 3, 3],
  );
  assert.deepEqual([...delta].slice(1, 3), [0, 0]);
  assert.deepEqual(densityPeaks(Float32Array.of(1, 2), 1, 1, 'cosine').centres, [0]);
});

test('by cosine a point joins the centre in its direction, by distance the nearest', () => {
  // Around (1, 0) and (0, 9); (0, 1.2) is near the first and points to the second.
  const points = Float32Array.of(1, 0, 1.01, 0, 1, 0.01, 0, 9, 0, 9.01, 0, 1.2);
  const clusterOfLast = (assignment: 'euclidean' | 'cosine'): number => {
    const { centres, clusterOf } = densityPeaks(points, 6, 2, assignment);
    return centres[clusterOf[5]!]!;
  };
  assert.ok(clusterOfLast('euclidean') <= 2);
  assert.ok([3, 4].includes(clusterOfLast('cosine')));
});

test('ranks are those of the matrices they were made from', () => {
  const random = seededRandom(5);
  for (const rank of [0, 1, 3, 7, 12]) {
    const product = new Float64Array(12 * 90);
    for (let part = 0; part < rank; part++) {
      const [tall, wide] = [Float64Array.from({ length: 12 }, random), Float64Array.from({ length: 90 }, random)];
      for (let i = 0; i < 12; i++) {
        for (let j = 0; j < 90; j++) product[i * 90 + j]! += tall[i]! * wide[j]!;
      }
    }
    assert.equal(matrixRank(product, 12, 90), rank);
    const turned = Float64Array.from({ length: 90 * 12 }, (_, at) => product[(at % 12) * 90 + Math.floor(at / 12)]!);
    assert.equal(matrixRank(turned, 90, 12), rank);
  }
});

test('gravity is the product of two rotated vectors of ones', () => {
  const rotaryFrequencies = Array.from({ length: 8 }, (_, pair) => 10000 ** ((-2 * pair) / 16));
  const size = { headSize: 16, rotaryFrequencies };
  const rotated = (position: number): number[] =>
    Array.from({ length: 16 }, (_, channel) => {
      const angle = position * 10000 ** ((-2 * (channel % 8)) / 16);
      return Math.cos(angle) + (channel < 8 ? -1 : 1) * Math.sin(angle);
    });
  for (const [i, j] of [
    [3, 3],
    [40, 12],
    [600, 35],
  ] as const) {
    const other = rotated(j);
    const product = rotated(i).reduce((sum, value, channel) => sum + value * other[channel]!, 0);
    assert.ok(Math.abs(gravity(i - j, size) - product / Math.sqrt(16)) < 1e-9);
  }
});

test("gravity follows the model's scaling of the rotary embedding", () => {
  const sizeOf = (text: JsonObject): ModelShape['decoder'] =>
    modelShape(parseModelConfig({ config: { model_type: 'llava', text_config: text } }, true)).decoder;
  const [plain, stretched] = [sizeOf({}), sizeOf({ rope_scaling: { type: 'linear', factor: 4 } })];
  for (const distance of [1, 30, 600]) {
    assert.ok(Math.abs(gravity(4 * distance, stretched) - gravity(distance, plain)) < 1e-9);
  }
  assert.deepEqual(knownShapes['llava-1.5-7b']!.shape.decoder, plain);
});

test('scores are means over raters and heads, of the strongest heads where these are chosen', () => {
  // 2 heads, 3 text rows, 2 tokens; row 1 does not rate.
  const attention = Float32Array.of(0.1, 0.2, 0.9, 0.9, 0.3, 0.4, 0.5, 0.1, 0.9, 0.9, 0.2, 0.6);
  const block = { attention, text: 3, tokens: 2, raters: [0, 2] };
  const near = (actual: Float64Array, expected: number[]): void => {
    expected.forEach((value, index) => {
      assert.ok(Math.abs(actual[index]! - value) < 1e-6);
    });
  };
  near(raterMatrix(block), [0.3, 0.15, 0.25, 0.5]);
  near(meanOverRaters(raterMatrix(block), 2), [0.275, 0.325]);
  assert.deepEqual(strongestHeads(block, 1), [1]);
  near(meanOverRaters(raterMatrix(block, [1]), 2), [0.35, 0.35]);
});

test('three tenths of what is dropped and one more are recycled, ten to a cluster and one more', () => {
  const by = (dropped: number) => recycled(dropped, { share: 0.3, clusterSize: 10 });
  assert.deepEqual(by(276), { tokens: 83, clusters: 9 });
  assert.deepEqual(by(510), { tokens: 154, clusters: 16 });
  assert.deepEqual(by(1), { tokens: 1, clusters: 1 });
  assert.deepEqual(by(0), { tokens: 0, clusters: 0 });
});
