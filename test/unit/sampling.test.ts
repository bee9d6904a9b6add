import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../native/analysis/random.ts';
import { createTokenChooser, logSumExp, mostProbable } from '../../native/analysis/sampling.ts';
import type { Sampling } from '../../trace/schema.ts';

const greedy: Sampling = { mode: 'greedy' };
const sample = (temperature: number, topP: number, seed = 1): Sampling => ({ mode: 'sample', temperature, topP, seed });

test('greedy takes the largest logit, and the lower id of two equal ones', () => {
  const choose = createTokenChooser(greedy);
  assert.equal(choose(Float32Array.of(0, 3, -1, 2)).id, 1);
  assert.equal(choose(Float32Array.of(0, 5, 1, 5, 5)).id, 1);
  assert.deepEqual(mostProbable(Float32Array.of(2, 7, 7, 1, 7, 9), 4), [5, 1, 2, 4]);
});

test('log-probabilities are those of softmax, however large the logits', () => {
  const { logprob, alternatives } = createTokenChooser(greedy)(Float32Array.of(1000, 1001, 1002));
  const sum = Math.exp(-2) + Math.exp(-1) + 1;
  assert.ok(Math.abs(logprob - Math.log(1 / sum)) < 1e-12);
  const total = alternatives.reduce((acc, { logprob: each }) => acc + Math.exp(each), 0);
  assert.ok(Math.abs(total - 1) < 1e-12);
  assert.equal(logSumExp(Float32Array.of(-1e30, 0)), 0);
});

test('five alternatives are given, most probable first, also when another token is drawn', () => {
  const logits = Float32Array.of(0, 1, 2, 3, 4, 5, 6);
  const choose = createTokenChooser(sample(100, 1, 3));
  for (let draw = 0; draw < 20; draw++) {
    const { id, logprob, alternatives } = choose(logits);
    assert.deepEqual(
      alternatives.map(other => other.id),
      [6, 5, 4, 3, 2],
    );
    assert.ok(
      Math.abs(logprob - (logits[id]! - logSumExp(logits))) < 1e-12,
      'temperature does not change what is told',
    );
  }
});

test('numbers that are not finite are reported, not sampled', () => {
  for (const bad of [NaN, Infinity]) {
    assert.throws(() => createTokenChooser(greedy)(Float32Array.of(0, bad, 1)), /not finite/);
  }
});

test('the same seed draws the same tokens, another seed others', () => {
  const logits = new Float32Array(50);
  const draws = (seed: number): number[] => {
    const choose = createTokenChooser(sample(1, 1, seed));
    return Array.from({ length: 30 }, () => choose(logits).id);
  };
  assert.deepEqual(draws(7), draws(7));
  assert.notDeepEqual(draws(7), draws(8));
});

test('the generator gives the published first numbers of mulberry32 for seed 0', () => {
  const random = seededRandom(0);
  // Computed with whole numbers in Python from the published recurrence.
  assert.deepEqual(
    [random(), random(), random()].map(value => Math.round(value * 2 ** 32)),
    [1144304738, 1416247, 958946056],
  );
});

test('tokens are drawn as often as the temperature makes them probable', () => {
  const logits = Float32Array.of(0, Math.log(2), Math.log(5));
  const choose = createTokenChooser(sample(2, 1));
  const counts = [0, 0, 0];
  const draws = 20_000;
  for (let draw = 0; draw < draws; draw++) counts[choose(logits).id]!++;
  const weights = [1, Math.SQRT2, Math.sqrt(5)];
  const sum = weights[0]! + weights[1]! + weights[2]!;
  counts.forEach((count, id) => {
    assert.ok(Math.abs(count / draws - weights[id]! / sum) < 0.015, `token ${id}: ${count / draws}`);
  });
});

test('top-p keeps the fewest most probable tokens that reach it', () => {
  const logits = Float32Array.from([0.5, 0.3, 0.15, 0.05], Math.log);
  const seen = (topP: number): number[] => {
    const choose = createTokenChooser(sample(1, topP));
    return [...new Set(Array.from({ length: 2000 }, () => choose(logits).id))].sort();
  };
  assert.deepEqual(seen(0.4), [0]);
  assert.deepEqual(seen(0.6), [0, 1]);
  assert.deepEqual(seen(0.9), [0, 1, 2]);
  assert.deepEqual(seen(1), [0, 1, 2, 3]);
});

test('in a large vocabulary the draw is that of sorting all tokens', () => {
  const random = seededRandom(5);
  const logits = Float32Array.from({ length: 5000 }, () => random() * 9);
  const weights = Array.from(logits, value => Math.exp(value / 0.7));
  const sum = weights.reduce((total, weight) => total + weight);
  const sorted = [...weights.keys()].sort((a, b) => weights[b]! - weights[a]!);
  for (const topP of [0.2, 0.9, 0.999]) {
    let reached = 0;
    const nucleus = sorted.filter(id => {
      const wanted = reached < topP * sum;
      if (wanted) reached += weights[id]!;
      return wanted;
    });
    const choose = createTokenChooser(sample(0.7, topP, 11));
    const uniform = seededRandom(11);
    for (let draw = 0; draw < 40; draw++) {
      let rest = uniform() * reached;
      assert.equal(
        choose(logits).id,
        nucleus.find(id => (rest -= weights[id]!) < 0),
      );
    }
  }
});

test('settings out of range are refused with what is allowed', () => {
  assert.throws(() => createTokenChooser(sample(0, 1)), /temperature is 0; it must be above 0/);
  assert.throws(() => createTokenChooser(sample(NaN, 1)), /temperature/);
  assert.throws(() => createTokenChooser(sample(1, 1.5)), /Top-p is 1\.5/);
  assert.throws(() => createTokenChooser(sample(1, 1, 0.5)), /seed is 0\.5/);
});
