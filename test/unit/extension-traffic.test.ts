import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLink } from '../../extension/traffic/traffic-answers.ts';

test('emulated links are typed as rate and latency', () => {
  assert.deepEqual(parseLink('3 GB/s, 20 µs'), { bandwidth: 3e9, latency: 20e-6 });
  assert.deepEqual(parseLink('1.25G,20us'), { bandwidth: 1.25e9, latency: 20e-6 });
  assert.deepEqual(parseLink('100 MB/s, 1 ms'), { bandwidth: 1e8, latency: 1e-3 });
  for (const text of ['', '3 GB/s', 'fast, 20 µs', '0 GB/s, 20 µs', '3 GB/s, 2000 ms']) {
    assert.equal(parseLink(text), undefined, text);
  }
});
