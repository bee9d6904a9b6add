import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toTsv, tableColumn } from '../../webview/charts.ts';
import { colourTable, inkOn, mapSize, overlayAlpha, paintTable, tableIndex } from '../../webview/colour/colour-map.ts';
import { paintCells, shrinkToMaximum, smoothValues } from '../../webview/colour/heat.ts';
import {
  cornerProbability,
  count,
  duration,
  probability,
  share,
  tokenProbability,
  visibleToken,
} from '../../webview/format.ts';
import { imageGeometry, isPadding, patchAt, patchSize } from '../../webview/image/geometry.ts';
import { layoutFor } from '../../webview/layout.ts';

test('numbers are written as the design says', () => {
  assert.equal(count(5184), '5\u2009184');
  assert.deepEqual([0.279, 0.0046, 0.000031, 0, 1].map(probability), ['0.28', '0.0046', '3.1·10⁻⁵', '0', '1.00']);
  assert.deepEqual([0.279, 0.0097, 0.00001].map(cornerProbability), ['0.28', '0.0097', '<10⁻⁴']);
  assert.deepEqual([0.73, 0.053, 0.0001, 0].map(share), ['73\u2009%', '5.3\u2009%', '< 0.1\u2009%', '0\u2009%']);
  assert.deepEqual([0.99884, 0.00001].map(tokenProbability), ['0.9988', '< 0.0001']);
  assert.deepEqual([0.5, 312, 1900, 61000].map(duration), ['500 µs', '312 ms', '1.9 s', '61 s']);
});

test('blanks, line feeds and control characters become visible, text stays', () => {
  assert.deepEqual([' apple', ' ', '\n', '', '\u0007', '<b>', 'שלום'].map(visibleToken), [
    'apple',
    '␣',
    '⏎',
    '∅',
    '␇',
    '<b>',
    'שלום',
  ]);
});

test('dark maps start at black, light maps at white, and both change in one direction', () => {
  const brightness = (table: Uint8ClampedArray, i: number): number =>
    0.299 * table[i * 3]! + 0.587 * table[i * 3 + 1]! + 0.114 * table[i * 3 + 2]!;
  for (const [scheme, sign] of [
    ['dark', 1],
    ['light', -1],
  ] as const) {
    const table = colourTable(scheme);
    assert.ok(scheme === 'dark' ? brightness(table, 0) < 5 : brightness(table, 0) > 254);
    for (let i = 4; i < mapSize; i++)
      assert.ok(sign * (brightness(table, i) - brightness(table, i - 4)) > -1, `${scheme} ${i}`);
    assert.equal(inkOn(table, mapSize - 1), scheme === 'dark' ? '#000' : '#fff');
  }
});

test('the overlay grows from 0.28 to 0.9 opacity, times the slider', () => {
  const table = paintTable(colourTable('dark'), t => overlayAlpha(t) * 0.5);
  assert.equal(table[3], Math.round(255 * 0.14));
  assert.equal(table.at(-1), Math.round(255 * 0.45));
});

test('values are painted by their place on the scale, clipped at its end', () => {
  const table = paintTable(colourTable('dark'), () => 1);
  const pixels = new Uint8ClampedArray(3 * 2 * 4);
  paintCells(pixels, 3, 1, 0, Float32Array.from([9, 0, 0.5, 1, 2]), 1, 2, 2, 1, table);
  const cell = (x: number, y: number): number[] => Array.from(pixels.subarray((y * 3 + x) * 4, (y * 3 + x) * 4 + 4));
  const colour = (index: number): number[] => Array.from(table.subarray(index * 4, index * 4 + 4));
  assert.deepEqual(cell(0, 0), [0, 0, 0, 0]);
  assert.deepEqual(cell(1, 0), colour(0));
  assert.deepEqual(cell(2, 0), colour(tableIndex(0.5, 1)));
  assert.deepEqual(cell(1, 1), colour(255));
  assert.deepEqual(cell(2, 1), colour(255));
});

test('smoothing keeps the values at the patch centres and their range', () => {
  const values = Float32Array.from([0, 1, 2, 3]);
  const smooth = smoothValues(values, 2, 2, 3);
  assert.deepEqual([smooth[7], smooth[10], smooth[25], smooth[28]], [0, 1, 2, 3]);
  assert.ok(smooth.every(value => value >= 0 && value <= 3));
});

test('a map with less room than patches keeps its brightest patch', () => {
  const values = new Float32Array(24 * 24);
  values[13 * 24 + 21] = 0.7;
  const small = shrinkToMaximum(values, 0, 24, 24, 10, 10);
  assert.equal(small.indexOf(Math.fround(0.7)), Math.floor((13 * 10) / 24) * 10 + Math.floor((21 * 10) / 24));
});

test('patches are whole pixels and the picture lies where the crop says', () => {
  assert.equal(patchSize({ rows: 24, columns: 24 }, 432), 18);
  assert.equal(patchSize({ rows: 16, columns: 48 }, 432), 9);
  const crop = { x: 100, y: 0, width: 200, height: 200 };
  const geometry = imageGeometry({ crop, width: 400, height: 200 }, { rows: 20, columns: 20 }, 400);
  assert.deepEqual(geometry.picture, { x: -200, y: -0, width: 800, height: 400 });
  assert.equal(geometry.unseen, 0.5);
  assert.equal(geometry.leastZoom, 0.5);
  assert.equal(geometry.padded, false);
  assert.equal(patchAt(geometry, 399.9, 0), 19);
  assert.equal(patchAt(geometry, 400, 0), undefined);
});

test('padding is known, patch by patch', () => {
  const crop = { x: 0, y: -100, width: 400, height: 400 };
  const geometry = imageGeometry({ crop, width: 400, height: 200 }, { rows: 4, columns: 4 }, 400);
  assert.equal(geometry.padded, true);
  assert.equal(geometry.unseen, 0);
  assert.deepEqual(
    [0, 4, 8, 12].map(patch => isPadding(geometry, patch)),
    [true, false, false, true],
  );
});

test('columns follow the width, stay whole, and a deep model shows a window around the chosen layer', () => {
  const shape = { layers: 12, heads: 6, visionLayers: 8, grid: { rows: 24, columns: 24 } };
  const wide = layoutFor(1440, 843, shape, 9);
  assert.deepEqual(
    [wide.columns.pitch, wide.map.width, wide.axis.decoderLeft, wide.axis.visionPitch],
    [76, 72, 512, 54],
  );
  assert.deepEqual(
    [1100, 800, 480].map(width => layoutFor(width, 900, shape, 0).mode),
    ['medium', 'stacked', 'narrow'],
  );
  assert.equal(layoutFor(1100, 900, shape, 0).imageSide, 384);
  const deep = layoutFor(1440, 843, { ...shape, layers: 80, heads: 64 }, 79);
  assert.ok(deep.columns.count < 80 && deep.columns.first + deep.columns.count === 80);
  for (const layout of [wide, deep]) assert.ok(layout.columns.count * layout.columns.pitch <= 912);
});

test('copied tables are clean tab-separated values', () => {
  const table = { caption: '', columns: [tableColumn('a'), tableColumn('b')], rows: [['1\t2', 'x\ny']] };
  assert.equal(toTsv(table), 'a\tb\n1 2\tx y\n');
});
