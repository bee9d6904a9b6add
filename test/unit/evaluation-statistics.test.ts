import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mcnemarProbability, median, pairedInterval, wilsonInterval } from '../../trace/evaluation/statistics.ts';
import { summarizeEvaluation } from '../../trace/evaluation/summary.ts';
import { smallEvaluation } from '../fixtures/small-evaluation.ts';

const near = (actual: number, expected: number, tolerance: number): void => {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);
};

test('Wilson intervals are those that statsmodels 0.14 computes', () => {
  const golden = [
    [81, 263, 0.2552885198782742, 0.36620957698280004],
    [15, 148, 0.06238639953073628, 0.16048724172330803],
    [0, 20, 0, 0.1611251580528194],
    [1, 29, 0.006113214292762667, 0.17175521879320294],
    [20, 20, 0.8388748419471804, 1],
  ] as const;
  for (const [successes, trials, low, high] of golden) {
    const interval = wilsonInterval(successes, trials);
    near(interval[0], low, 1e-12);
    near(interval[1], high, 1e-12);
  }
});

test('the paired interval of Cavo et al. (2012) is the one in the tests of the R package contingencytables', () => {
  const cavo = pairedInterval({ both: 59, onlyFirst: 6, onlySecond: 16, neither: 80 });
  near(cavo[0], -0.1186, 0.00005);
  near(cavo[1], -0.0046, 0.00005);
});

test("McNemar's exact test gives the probabilities of statsmodels 0.14", () => {
  near(mcnemarProbability(12, 2), 0.012939453125, 1e-12);
  near(mcnemarProbability(5, 9), 0.4239501953125, 1e-12);
  near(mcnemarProbability(40, 21), 0.0204147137996349, 1e-12);
  near(mcnemarProbability(3, 0), 0.25, 1e-12);
  assert.equal(mcnemarProbability(0, 0), 1);
});

test('no trials leave everything open', () => {
  assert.deepEqual(wilsonInterval(0, 0), [0, 1]);
  assert.deepEqual(pairedInterval({ both: 0, onlyFirst: 0, onlySecond: 0, neither: 0 }), [-1, 1]);
  assert.ok(Number.isNaN(median([])));
});

test('a summary parts small text from the rest, and compares on the questions that both answered', () => {
  const { groups, conditions } = summarizeEvaluation(smallEvaluation);
  assert.deepEqual(
    groups.map(({ id, questions }) => [id, questions.length]),
    [
      ['all', 6],
      ['small-text', 1],
      ['other', 5],
      ['kind:count', 2],
      ['kind:where', 3],
    ],
  );
  const [none, random, cls] = conditions;
  assert.equal(none!.groups['all']!.paired, undefined);
  assert.equal(none!.groups['all']!.accuracy, 4 / 6);
  assert.equal(random!.groups['all']!.correct, 2);
  assert.deepEqual([cls!.groups['all']!.answered, cls!.groups['all']!.correct], [5, 4]);
  const paired = cls!.groups['all']!.paired!;
  assert.deepEqual([paired.pairs, paired.won, paired.lost, paired.difference], [5, 1, 1, 0]);
  assert.equal(cls!.groups['all']!.ms.prefill, 18);
  assert.equal(cls!.groups['all']!.entering, 64);
});
