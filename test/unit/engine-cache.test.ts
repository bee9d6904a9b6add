import assert from 'node:assert/strict';
import { test } from 'node:test';
import { causalMask } from '../../native/engine/causal-mask.ts';
import { HostCache } from '../../native/engine/host-cache.ts';

const sizes = { layers: 3, rowSize: 8, spare: 6 };

function append(cache: HostCache, layer: number, positions: readonly number[]): void {
  const rows = cache.reserve(layer, positions.length);
  positions.forEach((position, i) => {
    rows.keys.fill(position, i * sizes.rowSize, (i + 1) * sizes.rowSize);
    rows.values.fill(-position, i * sizes.rowSize, (i + 1) * sizes.rowSize);
  });
  cache.commit(layer, Int32Array.from(positions));
}

test('a layer has four bytes for every key and value element of its first step and of what may follow, from its first step on', () => {
  const cache = new HostCache(sizes);
  assert.equal(cache.allocatedBytes, 0);
  append(cache, 1, [0, 1, 2, 3]);
  assert.equal(cache.allocatedBytes, (4 + 6) * 8 * 2 * 4);
  assert.equal(cache.layerBytes(1), cache.allocatedBytes);
  assert.deepEqual([cache.length(0), cache.length(1), cache.length(2)], [0, 4, 0]);
});

test('a full layer doubles, keeps what it holds, and leaves the other layers alone', () => {
  const cache = new HostCache(sizes);
  append(cache, 0, [0, 1, 2, 3]);
  append(cache, 1, [0]);
  append(cache, 0, [4, 5, 6, 7, 8, 9, 10]);
  assert.equal(cache.allocatedBytes, (20 + 7) * 8 * 2 * 4);
  assert.deepEqual([...cache.positions(0)], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  const { keys, values } = cache.filled(0);
  assert.equal(keys.length, 11 * 8);
  for (let position = 0; position < 11; position++) {
    assert.deepEqual(new Set(keys.subarray(position * 8, position * 8 + 8)), new Set([position]));
    assert.equal(values[position * 8 + 7], -position);
  }
});

test('the filled part is a view, not a copy, and rows that were only reserved are not part of it', () => {
  const cache = new HostCache(sizes);
  append(cache, 2, [0]);
  cache.reserve(2, 4).keys.fill(7);
  assert.equal(cache.length(2), 1);
  assert.equal(cache.filled(2).keys.length, 8);
  assert.equal(cache.filled(2).keys.buffer, cache.reserve(2, 1).keys.buffer);
});

test('a layer that is trimmed keeps the chosen entries with their positions, and its memory shrinks', () => {
  const cache = new HostCache(sizes);
  append(cache, 0, [0, 1, 2, 3, 4, 5]);
  cache.keep(0, Int32Array.of(0, 3, 5));
  assert.deepEqual([...cache.positions(0)], [0, 3, 5]);
  assert.equal(cache.layerBytes(0), (3 + 6) * 8 * 2 * 4);
  append(cache, 0, [9]);
  const { keys, values } = cache.filled(0);
  assert.deepEqual(
    Array.from([0, 8, 16, 24], place => keys[place]),
    [0, 3, 5, 9],
  );
  assert.deepEqual(
    Array.from([7, 15, 23, 31], place => values[place]),
    [-0, -3, -5, -9],
  );
});

test('the causal mask hides later rows of the step and nothing that was there before', () => {
  assert.deepEqual([...causalMask(2, 2)], [0, 0, 0, -Infinity, 0, 0, 0, 0]);
});
