/** The selection pipeline and the rotary embedding of FlexAttention against torch's own pooling and interpolation (README.md). */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  adaptiveMaxPool,
  paddingMargin,
  poolingWindow,
  selectCells,
} from '../../native/methods/high-resolution/selection.ts';
import { highResolutionTables } from '../../native/engine/high-resolution-rotary.ts';
import { scaleDown } from '../../native/image/scale-down.ts';
import { selectedTokens } from '../../trace/high-resolution.ts';
import { headerLength, lengthPrefixBytes } from '../../trace/safetensors.ts';
import { largestDifference, readGolden } from './golden-file.ts';

const folder = new URL('methods/', import.meta.url);
const masks = readdirSync(folder).filter(name => name.startsWith('flex-mask'));
const patches = { rows: 24, columns: 24 };
const cells = { rows: 9, columns: 9 };
const grid = { rows: 72, columns: 72 };

function parametersOf(file: URL): Record<string, string> {
  const bytes = readFileSync(file);
  const length = headerLength(bytes, bytes.length);
  const header: unknown = JSON.parse(bytes.subarray(lengthPrefixBytes, lengthPrefixBytes + length).toString());
  return (header as { __metadata__: Record<string, string> }).__metadata__;
}

for (const name of readdirSync(folder).filter(file => file.startsWith('flex-low'))) {
  test(`${name}: the large image is scaled down as torch does it, to 1e-6`, () => {
    const file = new URL(name, folder);
    const golden = readGolden(file);
    const { side, to } = parametersOf(file);
    const scaled = scaleDown(golden('pixels').data, Number(side), Number(to));
    const difference = largestDifference(scaled, golden('scaled').data);
    assert.ok(difference < 1e-6, `differs by ${difference}`);
  });
}

test('there are nine masks of three rows and three image sizes', () => {
  assert.equal(masks.length, 9);
  const sizes = masks
    .map(name => parametersOf(new URL(name, folder)))
    .map(({ width, height }) => `${width} x ${height}`);
  assert.ok(new Set(sizes).size > 1, 'only square images');
});

for (const name of masks) {
  test(`${name}: normalised to 1e-6, patches, cells and high-resolution mask exactly`, () => {
    const file = new URL(name, folder);
    const golden = readGolden(file);
    const { width, height, threshold } = parametersOf(file);
    const perHead = golden('attention_per_head').data;
    const attention = new Float32Array(576);
    perHead.forEach((value, index) => {
      attention[index % 576]! += value;
    });
    const margin = paddingMargin(Number(width), Number(height), patches);
    const rule = { kind: 'threshold', threshold: Number(threshold) } as const;
    const steps = selectCells(attention, { grid: patches, cells, margin, rule });
    assert.ok(largestDifference(steps.normalised, golden('normalised').data) < 1e-6);
    assert.deepEqual([...steps.binarised], [...golden('binarised').data]);
    assert.deepEqual([...steps.cells], [...golden('cells').data]);
    assert.deepEqual([...selectedTokens(steps.cells, { grid, cells })], [...golden('hr_mask').data]);
  });
}

test('rotary tables interpolated as torch does it, to 1e-5', () => {
  const file = new URL('flex-hr-rope.safetensors', folder);
  const { image_begin: first, head_dim: headSize, theta } = parametersOf(file);
  const size = Number(headSize);
  const rope = { kind: 'default', theta: Number(theta) } as const;
  const tables = highResolutionTables('interpolated', rope, size, { first: Number(first), patches, grid }, 700);
  for (const [ours, theirs] of [
    [tables.cos, 'hr_cos'],
    [tables.sin, 'hr_sin'],
  ] as const) {
    const expected = readGolden(file)(theirs);
    const rows = expected.shape[0]!;
    const picked = new Float32Array(rows * size);
    for (let row = 0; row < rows; row++) {
      const half = ours.subarray(row * 16 * (size / 2), (row * 16 + 1) * (size / 2));
      picked.set(half, row * size);
      picked.set(half, row * size + size / 2);
    }
    const difference = largestDifference(picked, expected.data);
    assert.ok(difference < 1e-5, `${theirs} differs by ${difference}`);
  }
});

test('adaptive windows of 24 to 9 overlap by one at 2, 5, 10, 13, 18 and 21', () => {
  const windows = Array.from({ length: 9 }, (_, index) => poolingWindow(index, 24, 9)).map(([a, b]) => [a, b - 1]);
  const expected = [[0, 2], [2, 5], [5, 7], [8, 10], [10, 13], [13, 15], [16, 18], [18, 21], [21, 23]]; // prettier-ignore
  assert.deepEqual(windows, expected);
});

test('one patch lights up one, two or four cells', () => {
  const lit = (row: number, column: number): number => {
    const active = new Uint8Array(576);
    active[row * 24 + column] = 1;
    const mask = selectedTokens(adaptiveMaxPool(active, patches, cells), { grid, cells });
    return mask.reduce((sum, value) => sum + value, 0);
  };
  assert.deepEqual([lit(2, 2), lit(0, 0), lit(2, 0)], [256, 64, 128]);
});

test('padding of a 1000 x 500 image is six rows at either edge; a square one has none', () => {
  assert.deepEqual(paddingMargin(1000, 500, patches), { rows: 6, columns: 0 });
  assert.deepEqual(paddingMargin(500, 1000, patches), { rows: 0, columns: 6 });
  assert.deepEqual(paddingMargin(640, 640, patches), { rows: 0, columns: 0 });
});

test('a flat row selects nothing by threshold', () => {
  const rule = { kind: 'threshold', threshold: 48 } as const;
  const flat = selectCells(new Float32Array(576).fill(0.01), {
    grid: patches,
    cells,
    margin: { rows: 0, columns: 0 },
    rule,
  });
  assert.ok(flat.cells.every(value => value === 0));
});
