/** Masks as intervals: against the dense mask that their sentence describes, and through `fovea traffic` with its checks on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTrafficOptions, type TrafficOptions } from '../../native/cli/traffic-options.ts';
import { prepareWorkload } from '../../native/traffic/prepare-workload.ts';
import { runTraffic } from '../../native/traffic/run-traffic.ts';
import { FoveaError } from '../../native/errors.ts';
import { evenFrames, visibleIntervals } from '../../trace/traffic/masks.ts';
import { bundledThreads } from '../fixtures/traffic-threads.ts';

const start = await bundledThreads('traffic-masks');

test('frames cover all keys, one after the other, and differ by one key at most', () => {
  for (const [keys, frames] of [
    [10, 3],
    [4, 8],
    [6404, 7],
  ] as const) {
    const spans = evenFrames(keys, frames);
    assert.equal(spans.length, Math.min(keys, frames));
    let next = 0;
    for (const { firstKey, keys: count } of spans) {
      assert.equal(firstKey, next);
      assert.ok(Math.abs(count - keys / spans.length) < 1);
      next += count;
    }
    assert.equal(next, keys);
  }
});

test('a row sees what the mask says: 6 rows, 3 frames of 4 keys', () => {
  const frames = evenFrames(12, 3);
  const rows = (mask: Parameters<typeof visibleIntervals>[0]): number[][] => {
    const visible = visibleIntervals(mask, 6, 12, frames)!;
    return Array.from({ length: 6 }, (_, row) => [visible[row * 2]!, visible[row * 2 + 1]!]);
  };
  const [one, two, three] = [
    [0, 4],
    [0, 8],
    [0, 12],
  ];
  assert.deepEqual(rows({ name: 'causal-frames', frames: 3 }), [one, one, two, two, three, three]);
  // Row i stands at i/6 of nothing, frame 0, frame 1, frame 2.
  const own = [
    [0, 0],
    [0, 0],
    [0, 4],
    [4, 8],
    [4, 8],
    [8, 12],
  ];
  assert.deepEqual(rows({ name: 'own-frame', frames: 3 }), own);
  assert.deepEqual(
    rows({ name: 'padding', share: 0.25 }),
    Array.from({ length: 6 }, () => [0, 9]),
  );
  assert.equal(visibleIntervals({ name: 'none' }, 6, 12, frames), undefined);
});

const options = (words: string): TrafficOptions => {
  const parsed = parseTrafficOptions(words.split(' '));
  assert.ok(!parsed.help && parsed.perfetto === undefined);
  return parsed;
};

for (const mask of ['causal-frames:5', 'own-frame:3', 'padding:0.6']) {
  for (const pass of ['forward', 'backward']) {
    test(`--mask ${mask}, ${pass}: all algorithms agree with one device, on uneven shards`, async () => {
      const all = pass === 'forward' ? 'ring,all-gather,ulysses,pass-q,gather-q' : 'ring,all-gather';
      const words = `--ranks 2 --sq 9,14 --skv 40,73 --heads 4 --kv-heads 2 --head-dim 16 --repeats 1 --pass ${pass}`;
      const asked = options(`${words} --compare ${all} --mask ${mask}`);
      const workload = await prepareWorkload(asked);
      const { metadata } = await runTraffic({ ...asked, workload, start });
      assert.equal(metadata.status.state, 'complete');
      for (const run of metadata.runs) {
        const names = run.checks.map(({ name }) => name);
        assert.ok(names.includes('bytes') && names.includes('agreement'), names.join());
        assert.deepEqual(
          run.checks.filter(({ passed }) => !passed),
          [],
        );
        assert.ok(run.agreement!.maxAbs < 1e-5);
      }
      assert.equal(metadata.workload.mask, { c: 'staircase', o: 'own-frame', p: 'padding' }[mask[0]!]);
    });
  }
}

test('a shard that is padding altogether is sent but not computed on', async () => {
  const asked = options('--ranks 2 --sq 8 --skv 40 --heads 2 --head-dim 16 --repeats 1 --mask padding:0.5');
  const { metadata, content } = await runTraffic({ ...asked, workload: await prepareWorkload(asked), start });
  assert.deepEqual(
    metadata.runs[0]!.checks.filter(({ passed }) => !passed),
    [],
  );
  const attended = content.ledger.computes.filter(({ kind }) => kind === 'attention');
  assert.deepEqual(new Set(attended.filter(({ skipped }) => skipped).map(({ keyOwner }) => keyOwner)), new Set([1]));
});

test('a mask that means nothing is refused with what would', () => {
  for (const words of ['--mask diagonal', '--mask padding:1', '--mask own-frame:0', '--plan --mask none:3'])
    assert.throws(
      () => parseTrafficOptions(words.split(' ')),
      (error: unknown) => error instanceof FoveaError && error.code === 'usage' && error.hint !== '',
      words,
    );
});
