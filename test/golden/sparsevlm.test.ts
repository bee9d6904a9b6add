/** SparseVLM's clustering against what the official function gave on the same random inputs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { combineRows } from '../../native/engine/onnx/combine-rows.ts';
import { HostTensor } from '../../native/engine/onnx/host-tensor.ts';
import { densityPeaks } from '../../native/methods/sparsevlm/density-peaks.ts';
import { largestDifference, readGolden } from './golden-file.ts';

for (const number of [1, 2, 3]) {
  test(`cluster and merge ${number}: the same clusters in the same order, means to 1e-4`, () => {
    const golden = readGolden(new URL(`methods/sparsevlm-cluster-${number}.safetensors`, import.meta.url));
    const { data, shape } = golden('x');
    const merged = golden('merged');
    const [count = 0] = shape;
    const [clusters = 0] = merged.shape;
    const { centres, clusterOf } = densityPeaks(data, count, clusters, 'euclidean');
    const points = Array.from({ length: count }, (_, point) => point);
    const groups = centres.map((_, index) => ({ members: points.filter(point => clusterOf[point] === index) }));
    const combined = combineRows(new HostTensor(data, shape), groups);
    const difference = largestDifference(combined.data, merged.data);
    assert.ok(difference < 1e-4, `differs by ${difference}`);
  });
}
