/** ToMe's matching and merging equal the official implementation's, run on random tokens (test/golden/methods/README.md). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { combineRows } from '../../native/engine/onnx/combine-rows.ts';
import { HostTensor } from '../../native/engine/onnx/host-tensor.ts';
import { matchTokens } from '../../native/methods/tome/bipartite-matching.ts';
import { largestDifference, readGolden } from './golden-file.ts';

for (const [file, count] of [
  ['tome-1', 32],
  ['tome-2', 96],
  ['tome-3', undefined],
] as const) {
  test(`${file}: the same tokens merge, into the same order, with the same weighted means`, () => {
    const golden = readGolden(new URL(`methods/${file}.safetensors`, import.meta.url));
    const metric = golden('metric');
    const x = golden('x');
    const size = golden('size').data;
    const tokens = metric.shape[0]!;
    const merged = golden('merged_x');
    const { groups } = matchTokens(metric.data, tokens, count ?? tokens - merged.shape[0]!);
    const place = new Float32Array(tokens);
    groups.forEach((members, index) => {
      for (const member of members) place[member] = index;
    });
    assert.deepEqual(place, golden('group_of_token').data);
    const weighted = groups.map(members => {
      const total = members.reduce((sum, member) => sum + size[member]!, 0);
      return { members, weights: members.map(member => size[member]! / total) };
    });
    const combined = combineRows(new HostTensor(x.data, x.shape), weighted);
    assert.ok(largestDifference(combined.data, merged.data) < 1e-4);
    const sizes = Float32Array.from(groups, members => members.reduce((sum, member) => sum + size[member]!, 0));
    assert.ok(largestDifference(sizes, golden('merged_size').data) < 1e-4);
  });
}
