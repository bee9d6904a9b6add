import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunMetadata } from '../../trace/schema.ts';
import { aggregate, massOf, type RowMaps } from '../../webview/attention/aggregate.ts';
import { outlierPatches, outlierRule } from '../../webview/attention/outliers.ts';
import { combineHeads } from '../../webview/attention/pages.ts';
import { hasBothRows, rowName, shownRow } from '../../webview/attention/rows.ts';

/** Two layers, two heads, three patches after one leading token. */
const pages = [
  [0.5, 0.1, 0.2, 0.1, 0.0, 0.4, 0.0, 0.2],
  [0.0, 0.3, 0.3, 0.3, 0.1, 0.0, 0.6, 0.0],
].map(values => Float32Array.from(values));

const maps = (change: Partial<RowMaps> = {}): RowMaps => ({
  heads: 2,
  patches: 3,
  leading: 1,
  layer: layer => pages[layer]!,
  hiddenText: () => 0,
  hiddenPatches: () => null,
  ...change,
});

const near = (values: Float32Array, expected: number[]): void => {
  assert.equal(values.length, expected.length);
  expected.forEach((value, i) => {
    assert.ok(Math.abs(values[i]! - value) < 1e-6, `${values.join(', ')} instead of ${expected.join(', ')}`);
  });
};

test('one head is taken as recorded, without the leading visual token', () => {
  const map = aggregate(maps(), { first: 0, last: 0, over: 'mean' }, 1);
  near(map.values, [0.4, 0, 0.2]);
  assert.equal(map.peak, 0);
  assert.ok(Math.abs(map.maximum - 0.4) < 1e-6);
});

test('heads are put together by mean and by maximum, then layers', () => {
  near(aggregate(maps(), { first: 0, last: 0, over: 'mean' }, 'mean').values, [0.25, 0.1, 0.15]);
  near(aggregate(maps(), { first: 0, last: 0, over: 'mean' }, 'max').values, [0.4, 0.2, 0.2]);
  near(aggregate(maps(), { first: 0, last: 1, over: 'mean' }, 'mean').values, [0.2, 0.275, 0.15]);
  near(aggregate(maps(), { first: 0, last: 1, over: 'max' }, 'mean').values, [0.25, 0.45, 0.15]);
});

test('hiding scales what is left so that hidden and shown make up the row', () => {
  const map = aggregate(maps({ hiddenText: () => 0.2 }), { first: 0, last: 0, over: 'mean' }, 'mean');
  near(map.values, [0.25 / 0.8, 0.1 / 0.8, 0.15 / 0.8]);
  assert.ok(Math.abs(map.hiddenText - 0.2) < 1e-9);
  const without = maps({ hiddenText: () => 0.2, hiddenPatches: () => Uint8Array.from([1, 0, 0]) });
  const both = aggregate(without, { first: 0, last: 0, over: 'mean' }, 'mean');
  near(both.values, [0, 0.1 / 0.55, 0.15 / 0.55]);
  assert.ok(Math.abs(both.hiddenPatches - 0.25) < 1e-6);
});

test('a row that reads only what is hidden leaves an empty map instead of infinities', () => {
  const map = aggregate(maps({ hiddenText: () => 1 }), { first: 0, last: 0, over: 'mean' }, 'mean');
  near(map.values, [0, 0, 0]);
});

test('aggregating does not change the recorded page', () => {
  const before = pages.map(page => page.join());
  aggregate(maps({ hiddenPatches: () => Uint8Array.from([1, 1, 1]) }), { first: 0, last: 1, over: 'max' }, 'max');
  assert.deepEqual(
    pages.map(page => page.join()),
    before,
  );
});

test('masses are the mean over heads and layers', () => {
  const mass = Float32Array.from([0.6, 0.4, 0.2, 0.8, 1, 0, 0, 1]);
  near(massOf(mass, 2, 2, { first: 0, last: 0 }, 'mean'), [0.4, 0.6]);
  near(massOf(mass, 2, 2, { first: 0, last: 1 }, 1), [0.1, 0.9]);
});

test('a slab of all rows is reduced over its heads', () => {
  const slab = Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
  near(combineHeads(slab, 2, 2, 'mean'), [2, 3, 6, 7]);
  near(combineHeads(slab, 2, 2, 'max'), [3, 4, 7, 8]);
});

/** Rows of noise around 1 / patches, from a fixed sequence. */
function noisyRows(rows: number, patches: number): Float32Array {
  let state = 1;
  return Float32Array.from({ length: rows * patches }, () => {
    state = (state * 16807) % 2147483647;
    return (0.5 + state / 2147483647) / patches;
  });
}

test('a patch that stands out in most rows is an outlier, one that stands out in some is not', () => {
  const [rows, patches] = [20, 100];
  const values = noisyRows(rows, patches);
  for (let row = 0; row < rows; row++) {
    values[row * patches + 7] = 0.4;
    if (row % 2 === 0) values[row * patches + 30] = 0.4;
  }
  const outliers = outlierPatches(values, patches);
  assert.deepEqual(
    Array.from(outliers.keys()).filter(patch => outliers[patch]),
    [7],
  );
});

test('noise, flat rows, rows that see no image and too few rows give no outliers', () => {
  const none = (values: Float32Array): boolean => outlierPatches(values, 100).every(flag => flag === 0);
  assert.ok(none(noisyRows(20, 100)));
  assert.ok(none(new Float32Array(2000).fill(0.01)));
  assert.ok(none(new Float32Array(2000)));
  const few = noisyRows(outlierRule.leastRows - 1, 100);
  for (let row = 0; row < outlierRule.leastRows - 1; row++) few[row * 100] = 0.9;
  assert.ok(none(few));
});

const run: Pick<RunMetadata, 'tokens' | 'promptTokens' | 'visual'> = {
  promptTokens: 3,
  visual: { first: 1, count: 4, leading: 0, grid: { rows: 2, columns: 2 } },
  tokens: [
    { id: 1, text: '<s>', role: 'bos', position: 0 },
    { id: 2, text: 'What', role: 'question', position: 5 },
    { id: 3, text: ':', role: 'system', position: 6 },
    { id: 4, text: ' An', role: 'generated', position: 7 },
    { id: 5, text: ' apple', role: 'generated', position: 8 },
  ],
};

test('a generated token is read through the row that predicts it, a prompt token through its own', () => {
  assert.deepEqual(
    [3, 4].map(token => shownRow(token, 'predicts', run).row),
    [2, 3],
  );
  assert.deepEqual(
    [1, 3].map(token => shownRow(token, 'own', run).row),
    [1, 3],
  );
  assert.equal(shownRow(1, 'predicts', run).kind, 'own');
  assert.equal(shownRow(4, 'own', run).kind, 'predicts', 'the last token was never a query');
  assert.ok(hasBothRows(3, run) && !hasBothRows(4, run) && !hasBothRows(1, run));
  assert.ok(shownRow(0, 'own', run).beforeImage && !shownRow(1, 'own', run).beforeImage);
  assert.equal(rowName(4, 'predicts', run), 'row that predicts “apple”');
  assert.equal(rowName(1, 'own', run), 'row of “What”');
});
