/** Plans behind masks: a timeline worked out by hand, pairs counted one by one, and what executed ranks did. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTrafficOptions, type TrafficOptions } from '../../native/cli/traffic-options.ts';
import { prepareWorkload } from '../../native/traffic/prepare-workload.ts';
import { runTraffic, sizesOf } from '../../native/traffic/run-traffic.ts';
import { type ComputedParts, MaskedWork } from '../../trace/traffic/masked-work.ts';
import { evenFrames, type Mask, runsOfIntervals, type VisibleRun, visibleRuns } from '../../trace/traffic/masks.ts';
import { costsOf, plan, type Rates } from '../../trace/traffic/planner.ts';
import { quadrantMap } from '../../trace/traffic/quadrants.ts';
import { keysPerChunk } from '../../trace/traffic/residency.ts';
import { simulateRotated } from '../../trace/traffic/rotated-timeline.ts';
import { algorithms, type Attend, passes, type Sharding } from '../../trace/traffic/schedule.ts';
import { buildProgram, buildSchedule, hasPass } from '../../trace/traffic/schedules/build-schedule.ts';
import { defaultWire, type Sizes, splitEvenly } from '../../trace/traffic/sizes.ts';
import { blockStarts, simulate, timelineTotals } from '../../trace/traffic/timeline.ts';
import { bundledThreads } from '../fixtures/traffic-threads.ts';

const start = await bundledThreads('traffic-planned-masks');

let state = 4711;
const random = (below: number): number => {
  state = (state * 1103515245 + 12345) % 2 ** 31;
  return Math.floor((state / 2 ** 31) * below);
};

/** Any interval, of several rows at a time, some of nothing. */
function randomRuns(rows: number, keys: number): VisibleRun[] {
  const runs: VisibleRun[] = [];
  for (let open = rows; open > 0;) {
    const count = 1 + random(Math.min(open, 4));
    const first = random(keys);
    runs.push({ rows: count, first, end: first + random(4) * random(keys - first) });
    open -= count;
  }
  return runs;
}

// Frames of 2 keys; rows 0 to 3 see 2, 4, 6, 8 keys. Block 0 is rows 0 and 1, shard 0 keys 0 to 3.
const tiny: Sizes = {
  shape: { queryHeads: 1, keyValueHeads: 1, headSize: 1 },
  sharding: { queryRows: [2, 2], keyRows: [4, 4] },
  wire: defaultWire,
};
const tinyRuns = visibleRuns({ name: 'causal-frames', frames: 4 }, 4, 8, evenFrames(8, 4))!;
/** A block of 2 × 4 pairs takes 32 s; a hop of Q 1 s and one of O and L 2 s. */
const slow: Rates = { flopsPerSecond: 1, bandwidth: 8, latency: 0, memoryBandwidth: Infinity };

test('LV-XAttn on 2 ranks behind a staircase, worked out by hand', () => {
  const { prediction, mask } = plan(
    'lv-xattn',
    'forward',
    tiny,
    slow,
    new MaskedWork(tinyRuns, tiny.sharding, 'chunks'),
  );
  // Rank 1 has nothing to do in round 1 and waits for O of the round before (2 s), then until rank 0 is done, and its hop.
  assert.deepEqual(mask!.blocks, {
    started: [
      [0, 32],
      [0, 32],
    ],
    flops: [
      [32, 32],
      [32, 0],
    ],
  });
  const { total, compute, communication, exposed, stall } = prediction;
  assert.deepEqual(
    { total, compute, communication, exposed, stall },
    { total: 66, compute: [64, 32], communication: [5, 5], exposed: [2, 4], stall: [2, 34] },
  );
  // 2 + 4 + 6 + 8 of 32 pairs; three of four blocks in full.
  assert.deepEqual([mask!.visibleShare, mask!.computedShare, mask!.imbalance], [20 / 32, 24 / 32, 64 / 48]);
});

test('ring attention behind the same staircase: now rank 0 is idle, and the time is again that of a full rank', () => {
  const masked = new MaskedWork(tinyRuns, tiny.sharding, 'chunks');
  const { prediction, mask } = plan('ring', 'forward', tiny, slow, masked);
  assert.deepEqual(mask!.blocks.flops, [
    [32, 0],
    [32, 32],
  ]);
  assert.deepEqual([prediction.total, prediction.compute], [64, [32, 64]]);
});

test('pairs are those of a dense mask, counted chunk by chunk', () => {
  const heads = 2;
  const counted = (visible: readonly VisibleRun[], sharding: Sharding, parts: ComputedParts): number[][] => {
    const rows = visible.flatMap(run => Array.from({ length: run.rows }, () => run));
    let firstRow = 0;
    return sharding.queryRows.map(rowCount => {
      const block = rows.slice(firstRow, (firstRow += rowCount));
      let firstKey = 0;
      return sharding.keyRows.map(keyCount => {
        const step = parts === 'shards' ? keyCount : keysPerChunk(heads * rowCount);
        let pairs = 0;
        for (let chunk = 0; chunk < keyCount; chunk += step) {
          const length = Math.min(step, keyCount - chunk);
          const [from, to] = [firstKey + chunk, firstKey + chunk + length];
          const seen = block.some(({ first, end }) => Math.max(first, from) < Math.min(end, to));
          if (seen) pairs += rowCount * length;
        }
        firstKey += keyCount;
        return pairs;
      });
    });
  };
  let partly = 0;
  for (let attempt = 0; attempt < 60; attempt++) {
    const ranks = 1 + random(5);
    const sizes = (most: number): number[] => Array.from({ length: ranks }, () => random(most));
    const sharding = { queryRows: sizes(9), keyRows: sizes(20_000) };
    const [rows, keys] = [sharding.queryRows, sharding.keyRows].map(each => each.reduce((a, b) => a + b, 0)) as [
      number,
      number,
    ];
    if (rows === 0 || keys === 0) continue;
    const visible = randomRuns(rows, keys);
    const everybody = Array.from({ length: ranks }, (_, rank) => rank);
    for (const parts of ['chunks', 'shards'] as const) {
      const expected = counted(visible, sharding, parts);
      const masked = new MaskedWork(visible, sharding, parts);
      const pairs = (queries: number[], keyOwners: number[], shift = 0): number =>
        masked.pairs({ op: 'attend', round: 0, queries, keys: keyOwners, firstHead: 0, heads } satisfies Attend, shift);
      const found = everybody.map(block => everybody.map(shard => pairs([block], [shard])));
      assert.deepEqual(found, expected);
      const shifted = everybody.map(block => pairs([block], [0], 1));
      assert.deepEqual(
        shifted,
        everybody.map(block => expected[(block + 1) % ranks]![1 % ranks]),
      );
      const sums = expected.map(shards => shards.reduce((a, b) => a + b, 0));
      assert.deepEqual(
        everybody.map(block => pairs([block], everybody)),
        sums,
      );
      const ofShards = everybody.map(shard => expected.reduce((sum, shards) => sum + shards[shard]!, 0));
      assert.deepEqual(
        everybody.map(shard => pairs(everybody, [shard])),
        ofShards,
      );
      assert.equal(
        pairs(everybody, everybody),
        sums.reduce((a, b) => a + b, 0),
      );
      partly += expected.flat().filter((count, at) => {
        const [block, shard] = [Math.floor(at / ranks), at % ranks];
        return count > 0 && count < sharding.queryRows[block]! * sharding.keyRows[shard]!;
      }).length;
    }
  }
  assert.ok(partly > 20, 'masks that leave chunks out');
});

test('runs of rows are the mask’s sentence row by row, and of rows that see the same', () => {
  for (const [rows, keys, frames] of [
    [7, 30, 3],
    [1000, 999, 49],
    [64, 4096, 100],
    [3, 5, 5],
  ] as const) {
    for (const name of ['causal-frames', 'own-frame'] as const) {
      const spans = evenFrames(keys, frames);
      const runs = visibleRuns({ name, frames }, rows, keys, spans)!;
      const found = runs.flatMap(run => Array.from({ length: run.rows }, () => [run.first, run.end]));
      const expected = Array.from({ length: rows }, (_, row) => {
        if (name === 'causal-frames') {
          const { firstKey, keys: count } = spans[Math.floor((row / rows) * frames)]!;
          return [0, firstKey + count];
        }
        const frame = spans[Math.floor((row / rows) * (frames + 1)) - 1];
        return frame ? [frame.firstKey, frame.firstKey + frame.keys] : [0, 0];
      });
      assert.deepEqual(found, expected);
      assert.ok(runs.length <= frames + 1);
      assert.deepEqual(runsOfIntervals(Int32Array.from(expected.flat())), runs);
    }
  }
});

test('ranks played operation by operation are the ranks of the event-driven timeline, each with its own work', () => {
  const rates: Rates = { flopsPerSecond: 1e6, bandwidth: 1e6, latency: 1e-4, memoryBandwidth: 1e8 };
  const near = (found: readonly number[], expected: readonly number[], what: string): void => {
    assert.equal(found.length, expected.length, what);
    found.forEach((value, at) => {
      assert.ok(Math.abs(value - expected[at]!) < 1e-9, `${what} ${value} ${expected[at]}`);
    });
  };
  for (const ranks of [1, 2, 3, 6]) {
    const sharding = { queryRows: splitEvenly(4 * ranks, ranks), keyRows: splitEvenly(9000 * ranks, ranks) };
    const sizes: Sizes = { shape: { queryHeads: 6, keyValueHeads: 6, headSize: 4 }, sharding, wire: defaultWire };
    const masked = new MaskedWork(randomRuns(4 * ranks, 9000 * ranks), sharding, 'chunks');
    for (const algorithm of algorithms)
      for (const pass of passes.filter(each => hasPass(algorithm, each)))
        for (const options of [{}, { overlap: false }, { communicate: false }]) {
          const what = `${algorithm} ${pass} on ${ranks} ${JSON.stringify(options)}`;
          const { programs } = buildSchedule(algorithm, pass, sizes);
          const played = simulate(programs, costsOf(programs, sizes, rates, masked), options);
          const rounds = ['lv-xattn', 'ring', 'pass-q'].includes(algorithm) ? ranks : 1;
          const program = buildProgram(algorithm, pass, sizes, 0);
          const rotated = simulateRotated(
            program,
            ranks,
            rounds,
            costsOf([program], sizes, rates, masked, true),
            options,
          );
          const totals = timelineTotals(played);
          near([rotated.totals.total], [totals.total], what);
          for (const name of ['compute', 'communication', 'exposed', 'stall'] as const)
            near(rotated.totals[name], totals[name], `${what}: ${name}`);
          near(rotated.starts.flat(), blockStarts(played, rounds).flat(), what);
        }
  }
});

const options = (words: string): TrafficOptions => {
  const parsed = parseTrafficOptions(words.split(' '));
  assert.ok(!parsed.help && parsed.perfetto === undefined);
  return parsed;
};

const rates: Rates = { flopsPerSecond: 1e9, bandwidth: 1e9, latency: 0, memoryBandwidth: Infinity };

// Shards longer than a chunk of 4096 keys, and short ones; even rows and uneven ones.
for (const [mask, rows] of [
  ['causal-frames:5', '--ranks 2 --sq 9,14 --skv 9100,5300'],
  ['causal-frames:8', '--ranks 4 --sq 16 --skv 400'],
  ['own-frame:9', '--ranks 3 --sq 12 --skv 15000'],
  ['padding:0.6', '--ranks 2 --sq 7 --skv 18000'],
] as const) {
  for (const pass of ['forward', 'backward'] as const) {
    test(`--mask ${mask}, ${rows}, ${pass}: ranks compute and skip what the plan says, round by round`, async () => {
      const others = pass === 'forward' ? ['ring', 'all-gather', 'pass-q', 'gather-q'] : ['ring', 'all-gather'];
      const compared = rows.includes('--ranks 3') ? others : [...others, 'ulysses'];
      const sizes = `${rows} --heads 4 --kv-heads 2 --head-dim 8 --repeats 1 --pass ${pass}`;
      const asked = options(`${sizes} --mask ${mask} --compare ${compared.join(',')}`);
      const workload = await prepareWorkload(asked);
      const { metadata, content } = await runTraffic({ ...asked, workload, start });
      assert.equal(metadata.status.state, 'complete');
      const { sharding } = workload.description;
      const masked = new MaskedWork(runsOfIntervals(workload.visible!), sharding, 'chunks');
      let skipped = 0;
      for (const [index, run] of metadata.runs.entries()) {
        const planned = plan(
          run.algorithm,
          pass,
          sizesOf({ ...asked, workload }, asked.choices[index]!),
          rates,
          masked,
        );
        const { flops } = planned.mask!.blocks;
        const work = content.ledger.computes.filter(
          ({ run: of, kind }) => of === index && (kind === 'attention' || kind === 'gradient'),
        );
        const table = (value: (event: (typeof work)[number]) => number | boolean): unknown[][] =>
          flops.map((rounds, rank) =>
            rounds.map((_, round) => {
              const [event, ...more] = work.filter(each => each.rank === rank && each.round === round);
              assert.ok(event && more.length === 0);
              return value(event);
            }),
          );
        assert.deepEqual(
          table(event => event.flops),
          flops,
          run.algorithm,
        );
        assert.deepEqual(
          table(event => event.skipped),
          flops.map(rounds => rounds.map(each => each === 0)),
          run.algorithm,
        );
        assert.deepEqual(run.bytes.sentPerRank, planned.bytesSentPerRank);
        skipped += work.filter(event => event.skipped).length;
        assert.ok(planned.mask!.computedShare < 1 && planned.mask!.computedShare >= planned.mask!.visibleShare);
      }
      if (!mask.startsWith('own') && !rows.includes('9,14')) assert.ok(skipped > 0);
    });
  }
}

test('what a masked run on emulated links predicts is of the work that its ranks did', async () => {
  const asked = options(
    '--ranks 4 --sq 16 --skv 400 --heads 2 --head-dim 8 --repeats 1 --mask causal-frames:8 --link-bandwidth 1G',
  );
  const { metadata, content } = await runTraffic({ ...asked, workload: await prepareWorkload(asked), start });
  const { compute, flopsPerSecond } = metadata.runs[0]!.predicted!;
  compute.forEach((seconds, rank) => {
    const own = content.ledger.computes.filter(event => event.rank === rank);
    const flops = own.reduce((sum, event) => sum + event.flops, 0);
    assert.ok(Math.abs(seconds * flopsPerSecond - flops) < 1e-6 * flops);
  });
  assert.ok(compute[0]! > 3.9 * compute[3]!);
});

test('1024 ranks: every rank has its own work, bytes are those without a mask, and a mask never takes longer', () => {
  const ranks = 1024;
  const sharding = { queryRows: splitEvenly(4 * ranks, ranks), keyRows: splitEvenly(64 * ranks + 5, ranks) };
  const keys = 64 * ranks + 5;
  const sizes: Sizes = { shape: { queryHeads: 8, keyValueHeads: 8, headSize: 16 }, sharding, wire: defaultWire };
  const runs = visibleRuns({ name: 'causal-frames', frames: 512 }, 4 * ranks, keys, evenFrames(keys, 512))!;
  for (const algorithm of ['lv-xattn', 'ring', 'all-gather'] as const) {
    const behind = plan(algorithm, 'forward', sizes, rates, new MaskedWork(runs, sharding, 'chunks'));
    const plain = plan(algorithm, 'forward', sizes, rates);
    assert.deepEqual(behind.bytesSentPerRank, plain.bytesSentPerRank);
    assert.ok(behind.prediction.total <= plain.prediction.total);
    assert.equal(behind.prediction.peakMemory, plain.prediction.peakMemory);
    // Frames of 8 rows and 128 keys end where shards do, two by two: block b sees shards up to the end of its frame.
    const work = behind.mask!.blocks.flops.map(rounds => rounds.filter(flops => flops > 0).length);
    if (algorithm === 'ring') assert.ok(work[0]! <= 4 && work.at(-1) === ranks);
    if (algorithm === 'lv-xattn') assert.ok(work[0] === ranks && work.at(-1)! <= 4);
    assert.ok(behind.mask!.imbalance > 1.9 && behind.mask!.computedShare < 0.51);
  }
});

test('the map of sizes behind a mask is the plan of each size', () => {
  const shape = { queryHeads: 4, keyValueHeads: 4, headSize: 16 };
  const mask: Mask = { name: 'own-frame', frames: 8 };
  const visible = (rows: number, keys: number): VisibleRun[] => visibleRuns(mask, rows, keys, evenFrames(keys, 8))!;
  const point = { ranks: 4, pass: 'forward', shape, wire: defaultWire, rates } as const;
  const cells = quadrantMap([16, 4096], [64, 65_536], { ...point, mask: { visible, parts: 'shards' } });
  for (const { queries, keys, lvXattn, ring } of cells) {
    const sharding = { queryRows: splitEvenly(queries, 4), keyRows: splitEvenly(keys, 4) };
    const masked = new MaskedWork(visible(queries, keys), sharding, 'shards');
    const sizes: Sizes = { shape, sharding, wire: defaultWire };
    const [lvPlan, ringPlan] = (['lv-xattn', 'ring'] as const).map(name => plan(name, 'forward', sizes, rates, masked));
    assert.deepEqual([lvXattn, ring], [lvPlan!.prediction.total, ringPlan!.prediction.total]);
  }
  const plain = quadrantMap([4096], [65_536], point)[0]!;
  assert.ok(cells.at(-1)!.lvXattn < plain.lvXattn);
});
