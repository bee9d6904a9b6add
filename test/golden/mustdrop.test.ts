/** MustDrop's merge and filter against what the official functions gave on the same random inputs. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { combineRows } from '../../native/engine/onnx/combine-rows.ts';
import { HostTensor } from '../../native/engine/onnx/host-tensor.ts';
import { judge, textAttention, verdicts } from '../../native/methods/mustdrop/dual-attention-filter.ts';
import { mergeWindows, windowSimilarity } from '../../native/methods/mustdrop/window-merge.ts';
import { largestDifference, readGolden } from './golden-file.ts';

const fileOf = (name: string): URL => new URL(`methods/${name}.safetensors`, import.meta.url);
const grid = { side: 24, window: 3 };

for (const number of [1, 2, 3]) {
  test(`window merge ${number}: the same windows, the same order, means to 1e-4`, () => {
    const golden = readGolden(fileOf(`mustdrop-merge-${number}`));
    const { data, shape } = golden('x');
    const { groups, merged } = mergeWindows(windowSimilarity(data, grid).ofWindow, grid, 0.8);
    const size = golden('size').data;
    assert.deepEqual([1, ...groups.map(({ members }) => members.length)], [...size]);
    assert.equal(9 * merged.length + groups.filter(({ members }) => members.length === 1).length, 576);
    const rows = [{ members: [0] }, ...groups.map(({ members }) => ({ members: members.map(member => member + 1) }))];
    const combined = combineRows(new HostTensor(data, shape), rows);
    const difference = largestDifference(combined.data, golden('merged_x').data);
    assert.ok(difference < 1e-4, `differs by ${difference}`);
  });

  test(`dual-attention filter ${number}: exactly the same tokens stay under all thresholds`, () => {
    const file = fileOf(`mustdrop-filter-${number}`);
    const golden = readGolden(file);
    const { data, shape } = golden('text_to_visual_head_mean');
    const [text, visual] = shape as [number, number];
    const scores = textAttention(data, text, visual);
    thresholdsOf(file).forEach(([globalThreshold, localThreshold], pair) => {
      const verdict = judge(scores, { globalThreshold, localThreshold }, () => false);
      const kept = Array.from(verdict.keys()).filter(token => verdict[token] !== verdicts.dropped);
      assert.deepEqual(kept, [...golden(`not_candidate_${pair}`).data]);
    });
  });
}

function thresholdsOf(file: URL): [number, number][] {
  const bytes = readFileSync(file);
  const header = bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString();
  const { __metadata__: metadata } = JSON.parse(header) as { __metadata__: { thresholds: string } };
  return JSON.parse(metadata.thresholds) as [number, number][];
}
