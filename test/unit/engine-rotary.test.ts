import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RopeConfig } from '../../native/checkpoint/model-config.ts';
import { inverseFrequencies, rotaryTables } from '../../native/engine/rotary-embedding.ts';

const headSize = 64;
const theta = 10_000;
const plain = inverseFrequencies({ kind: 'default', theta }, headSize, 1);

/** Each frequency as a multiple of the unscaled one. */
function ratios(rope: RopeConfig, sequenceLength = 1): number[] {
  return Array.from(inverseFrequencies(rope, headSize, sequenceLength), (frequency, i) => frequency / plain[i]!);
}

function close(actual: number, expected: number): void {
  assert.ok(Math.abs(actual / expected - 1) < 1e-6, `${actual} instead of ${expected}`);
}

test('frequencies fall geometrically from 1 to almost 1 / theta', () => {
  assert.equal(plain.length, headSize / 2);
  assert.equal(plain[0], 1);
  close(plain[31]!, theta ** (-62 / 64));
  for (let i = 1; i < plain.length; i++) close(plain[i]! / plain[i - 1]!, theta ** (-2 / 64));
});

test('tables: position 0 is no rotation, and an angle is position times frequency', () => {
  const { cos, sin } = rotaryTables({ kind: 'default', theta }, headSize, Int32Array.of(0, 3, 1000), 1001);
  assert.deepEqual(new Set(cos.subarray(0, 32)), new Set([1]));
  assert.deepEqual(new Set(sin.subarray(0, 32)), new Set([0]));
  close(cos[32]!, Math.cos(3));
  close(sin[2 * 32 + 31]!, Math.sin(1000 * plain[31]!));
  for (let i = 0; i < cos.length; i++) close(cos[i]! ** 2 + sin[i]! ** 2, 1);
});

test('linear scaling divides every frequency by the factor', () => {
  for (const ratio of ratios({ kind: 'linear', theta, factor: 4 })) close(ratio, 1 / 4);
});

test('dynamic scaling starts where the training length ends, and goes on with the sequence', () => {
  const dynamic = { kind: 'dynamic', theta, factor: 2, maxPositions: 100 } as const;
  for (const length of [1, 100]) for (const ratio of ratios(dynamic, length)) close(ratio, 1);
  const [longer, longest] = [ratios(dynamic, 200), ratios(dynamic, 400)];
  assert.equal(longer[0], 1);
  // At twice the length, NTK-aware scaling slows the slowest wave by 2 * 200 / 100 - 1 = 3.
  close(longer[31]!, 1 / 3);
  close(longest[31]!, 1 / 7);
});

test('llama3 scaling keeps short waves, divides long ones, and blends between', () => {
  const llama3 = {
    kind: 'llama3',
    theta,
    factor: 8,
    lowFrequencyFactor: 1,
    highFrequencyFactor: 4,
    originalMaxPositions: 1024,
  } as const;
  let blended = 0;
  for (const [i, ratio] of ratios(llama3).entries()) {
    const wavelength = (2 * Math.PI) / plain[i]!;
    if (wavelength < 256) close(ratio, 1);
    else if (wavelength > 1024) close(ratio, 1 / 8);
    else {
      blended++;
      assert.ok(ratio > 1 / 8 && ratio < 1);
    }
  }
  assert.ok(blended > 0);
});

test('YaRN keeps fast pairs, divides slow ones, ramps between, and scales cos and sin', () => {
  const yarn = {
    kind: 'yarn',
    theta,
    factor: 4,
    originalMaxPositions: 2048,
    betaFast: 32,
    betaSlow: 1,
    attentionFactor: 1.25,
    truncate: true,
  } as const;
  const all = ratios(yarn);
  close(all[0]!, 1);
  close(all[31]!, 1 / 4);
  for (let i = 1; i < all.length; i++) assert.ok(all[i]! <= all[i - 1]! * (1 + 1e-6));
  const { cos } = rotaryTables(yarn, headSize, Int32Array.of(0), 1);
  assert.equal(cos[5], 1.25);
  assert.notDeepEqual(ratios({ ...yarn, truncate: false }), all);
});
