import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHalf } from '../../trace/half.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { bytesOf } from '../../trace/writer.ts';
import { AttentionPages } from '../../webview/attention/pages.ts';
import type { ToHost } from '../../webview/messages.ts';
import { restoreSelection } from '../../webview/saved-state.ts';
import { focusOf, initialSelection, nothingHovered, Store } from '../../webview/selection.ts';
import { PageCache } from '../../webview/source/page-cache.ts';
import { PostedSource } from '../../webview/source/posted-source.ts';
import type { Slice } from '../../webview/source/trace-source.ts';

const metadata = {
  id: 'run-1',
  tokens: new Array<unknown>(10),
  model: { decoder: { layers: 4, heads: 2 }, vision: { layers: 3, heads: 2 } },
  visual: { grid: { rows: 2, columns: 2 } },
} as unknown as Parameters<typeof restoreSelection>[1];

test('a store tells followers about changes only, and with what was before', () => {
  const store = new Store({ a: 1, b: 2 });
  const seen: unknown[] = [];
  const end = store.subscribe((now, before) => seen.push([now.a, before.a]));
  store.set({ a: 1 });
  store.set({ a: 5 });
  end();
  store.set({ a: 6 });
  assert.deepEqual(seen, [[5, 1]]);
});

test('hovering is drawn on top of the selection, except where it is locked', () => {
  const selection = { ...initialSelection, token: 3 };
  const hover = { ...nothingHovered, token: 5, patch: 1, layer: { tower: 'decoder' as const, layer: 2 } };
  assert.equal(focusOf(selection, hover).token, 5);
  assert.equal(focusOf({ ...selection, tokenLocked: true }, hover).token, 3);
  assert.equal(focusOf({ ...selection, patch: 0 }, hover).patch, 0);
  assert.deepEqual(focusOf(selection, hover).layers, { first: 2, last: 2, over: 'mean' });
});

test('state of the same run comes back whole', () => {
  const selection = { ...initialSelection, token: 4, tokenLocked: true, patch: 3, scale: 'absolute' as const };
  assert.deepEqual(restoreSelection({ run: 'run-1', selection }, metadata), restored(selection));
});

/** What is not set is left to the suggestion. */
function restored(selection: typeof initialSelection): object {
  return Object.fromEntries(Object.entries(selection).filter(([, value]) => value !== null));
}

test('state of another run brings back only how it was drawn', () => {
  const selection = { ...initialSelection, token: 4, opacity: 0.4, smooth: true };
  const found = restoreSelection({ run: 'other', selection }, metadata);
  assert.deepEqual(Object.keys(found).sort(), [
    'compared',
    'detail',
    'hideOutliers',
    'hideText',
    'opacity',
    'reading',
    'scale',
    'smooth',
  ]);
});

test('state that does not fit the run, or is no state at all, is left out', () => {
  for (const saved of [undefined, null, 3, 'x', {}, { selection: 7 }])
    assert.deepEqual(restoreSelection(saved, metadata), {});
  const broken = {
    token: 99,
    patch: -1,
    layers: { first: 3, last: 9, over: 'mean' },
    head: 7,
    opacity: 'much',
    zoom: { k: 0 },
  };
  assert.deepEqual(restoreSelection({ run: 'run-1', selection: broken }, metadata), {});
});

const floats = (...values: number[]): Slice => ({
  dtype: 'F32',
  shape: [values.length],
  data: bytesOf(Float32Array.from(values)),
});

test('pages are decoded, kept, and asked for once while under way', async () => {
  let asked = 0;
  const half: Slice = { dtype: 'F16', shape: [2], data: bytesOf(toHalf(Float32Array.from([0.5, 0.25]))) };
  const cache = new PageCache({ slice: () => (asked++, Promise.resolve(half)) });
  const [first, second] = [cache.read('vision.rollout', [[0, 1]]), cache.read('vision.rollout', [[0, 1]])];
  assert.ok(first instanceof Promise && first === second);
  assert.deepEqual(Array.from(await first), [0.5, 0.25]);
  assert.ok(cache.read('vision.rollout', [[0, 1]]) instanceof Float32Array);
  assert.equal(asked, 1);
});

test('the least recently used pages go first when the limit is reached', async () => {
  const cache = new PageCache({ slice: () => Promise.resolve(floats(1, 2, 3, 4)) }, 32);
  await cache.read('vision.rollout', [[0, 1]]);
  await cache.read('vision.rollout', [[1, 2]]);
  assert.ok(cache.read('vision.rollout', [[0, 1]]) instanceof Float32Array);
  await cache.read('vision.rollout', [[2, 3]]);
  assert.equal(cache.byteLength, 32);
  assert.ok(cache.read('vision.rollout', [[0, 1]]) instanceof Float32Array, 'used again, so it stays');
  assert.ok(cache.read('vision.rollout', [[1, 2]]) instanceof Promise, 'not used, so it went');
});

test('a page that failed is asked for again', async () => {
  let asked = 0;
  const cache = new PageCache({
    slice: () => (asked++ === 0 ? Promise.reject(new Error('gone')) : Promise.resolve(floats(1))),
  });
  await assert.rejects(Promise.resolve(cache.read('vision.rollout', [])), /gone/);
  assert.deepEqual(Array.from(await cache.read('vision.rollout', [])), [1]);
});

test('posted slices find their answers in any order, and fail with the words of the host', async () => {
  const sent: ToHost[] = [];
  const source = new PostedSource(metadata as never, {}, message => sent.push(message));
  const [first, second, third] = [
    source.slice('vision.rollout'),
    source.slice('image.display'),
    source.slice('image.input'),
  ];
  const numbers = sent.map(message => (message.type === 'slice' ? message.request : 0));
  source.receive({ type: 'slice', request: numbers[1]!, ...floats(2) });
  source.receive({ type: 'slice', request: numbers[0]!, ...floats(1) });
  source.receive({ type: 'sliceFailed', request: numbers[2]!, message: 'no such file' });
  assert.deepEqual([(await first).shape, (await second).shape], [[1], [1]]);
  await assert.rejects(third, /no such file/);
});

test('a model too large for whole slabs is asked for bands of patches', async () => {
  const asked: (readonly (readonly [number, number])[])[] = [];
  const source = {
    slice: (_: string, ranges: readonly (readonly [number, number])[] = []) => {
      asked.push(ranges);
      const size = ranges.reduce((product, [first, end]) => product * (end - first), 1);
      return Promise.resolve<Slice>({ dtype: 'F32', shape: [size], data: bytesOf(new Float32Array(size)) });
    },
  };
  const large = {
    tokens: new Array<unknown>(301),
    model: { decoder: { layers: 80, heads: 64 } },
    visual: { count: 2305, leading: 1, grid: { rows: 48, columns: 48 } },
  } as unknown as RunMetadata;
  const shapes = { 'decoder.attention_to_image': { dtype: 'F16' as const, shape: [300, 80, 64, 2305] } };
  const pages = new AttentionPages(new PageCache(source), large, shapes);
  assert.equal(pages.slabFits, false);
  assert.equal(pages.wholeRows, false);
  const band = pages.band(5, 'mean', 700);
  const values = await band.page;
  assert.ok(band.first <= 700 && 700 < band.end);
  assert.deepEqual(asked, [
    [
      [0, 300],
      [5, 6],
      [0, 64],
      [1 + band.first, 1 + band.end],
    ],
  ]);
  assert.ok(300 * 64 * (band.end - band.first) * 2 <= 4 * 2 ** 20);
  assert.equal(values.length, 300 * (band.end - band.first));
  assert.ok(pages.band(5, 'mean', band.first).page instanceof Float32Array, 'its neighbour is here too');
});
