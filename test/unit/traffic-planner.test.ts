/** The predictor: reference schedules of the two-stream model, its identities, and the theory of who wins. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plan, predict, type Rates } from '../../trace/traffic/planner.ts';
import { quadrantMap, quadrantThresholds } from '../../trace/traffic/quadrants.ts';
import { peakBytes } from '../../trace/traffic/residency.ts';
import { algorithms, passes } from '../../trace/traffic/schedule.ts';
import { buildProgram, buildSchedule, hasPass } from '../../trace/traffic/schedules/build-schedule.ts';
import { defaultWire, type Sizes, splitEvenly } from '../../trace/traffic/sizes.ts';
import { type Costs, type RankTimeline, simulate, timelineTotals } from '../../trace/traffic/timeline.ts';

function sizesOf(ranks: number, queries = 8 * ranks, keys = 64 * ranks): Sizes {
  return {
    shape: { queryHeads: 8, keyValueHeads: 8, headSize: 16 },
    sharding: { queryRows: splitEvenly(queries, ranks), keyRows: splitEvenly(keys, ranks) },
    wire: { ...defaultWire, element: 'F16' },
  };
}

interface RoundTimes {
  readonly attention: number;
  readonly merge: number;
  readonly query: number;
  readonly output: number;
}

const costs = ({ attention, merge, query, output }: RoundTimes): Costs => ({
  compute: ({ op }) => (op === 'attend' ? attention : merge),
  exchange: ({ sends }) => (sends[0]!.kind === 'Q' ? query : output),
});

function lvTimeline(ranks: number, times: RoundTimes): RankTimeline[] {
  return simulate(buildSchedule('lv-xattn', 'forward', sizesOf(ranks)).programs, costs(times));
}

// Worked out by hand from the order in which the official code enqueues its transfers (n = 4).
const reference: [RoundTimes, end: number, exposed: number][] = [
  [{ attention: 10, merge: 0.5, query: 2, output: 3 }, 45, 3],
  [{ attention: 10, merge: 0.5, query: 6, output: 7 }, 54, 12],
  [{ attention: 1, merge: 0.5, query: 6, output: 7 }, 46.5, 40.5],
];

for (const [times, end, exposed] of reference) {
  test(`LV-XAttn on 4 ranks with ${JSON.stringify(times)} ends at ${end}, ${exposed} exposed`, () => {
    const totals = timelineTotals(lvTimeline(4, times));
    assert.equal(totals.total, end);
    assert.deepEqual(totals.exposed, [exposed, exposed, exposed, exposed]);
    assert.deepEqual(totals.stall, totals.exposed);
    const alone = simulate([buildProgram('lv-xattn', 'forward', sizesOf(4), 0)], costs(times));
    assert.equal(alone[0]!.end, end, 'one rank stands for all');
  });
}

test('T = n (A + R) + exposed, whatever the times are', () => {
  let state = 12345;
  const random = (): number => (state = (state * 1103515245 + 12345) % 2 ** 31) / 2 ** 31;
  for (let attempt = 0; attempt < 300; attempt++) {
    const ranks = 1 + Math.floor(random() * 8);
    const times = { attention: random() * 10, merge: random(), query: random() * 12, output: random() * 12 };
    const { total, exposed } = timelineTotals(lvTimeline(ranks, times));
    const expected = ranks * (times.attention + times.merge) + exposed[0]!;
    assert.ok(Math.abs(total - expected) < 1e-9, JSON.stringify({ ranks, times, total, expected }));
    if (ranks > 1 && times.attention >= times.query + times.output)
      assert.ok(Math.abs(exposed[0]! - times.output) < 1e-9);
  }
});

test('ring attention takes n A + (n - 1) max(0, c - A)', () => {
  for (const [ranks, attention, hop] of [
    [4, 10, 3],
    [4, 3, 10],
    [7, 5, 5.5],
    [1, 2, 9],
  ] as const) {
    const timeline = simulate(buildSchedule('ring', 'forward', sizesOf(ranks)).programs, {
      compute: ({ op }) => (op === 'attend' ? attention : 0),
      exchange: () => hop,
    });
    assert.equal(timelineTotals(timeline).total, ranks * attention + (ranks - 1) * Math.max(0, hop - attention));
  }
});

test('without overlap every hop is waited for; without communication only compute is left', () => {
  const { programs } = buildSchedule('lv-xattn', 'forward', sizesOf(4));
  const times = costs({ attention: 10, merge: 0.5, query: 2, output: 3 });
  assert.equal(timelineTotals(simulate(programs, times, { overlap: false })).total, 4 * 10.5 + 3 * 2 + 4 * 3);
  assert.equal(timelineTotals(simulate(programs, times, { communicate: false })).total, 4 * 10.5);
});

test('a slow rank is waited for by its neighbours, and its lateness is no communication', () => {
  const { programs } = buildSchedule('ring', 'forward', sizesOf(3));
  const timeline = simulate(programs, {
    compute: ({ op }, rank) => (op === 'attend' ? (rank === 1 ? 10 : 1) : 0),
    exchange: () => 0.5,
  });
  const { total, stall, communication } = timelineTotals(timeline);
  assert.equal(total, 30);
  assert.ok(stall[0]! > 5 && stall[1] === 0);
  assert.deepEqual(communication, [1, 1, 1]);
});

const rates: Rates = { flopsPerSecond: 12e12, bandwidth: 3e9, latency: 0, memoryBandwidth: Infinity };
const point = {
  ranks: 16,
  pass: 'forward',
  shape: { queryHeads: 28, keyValueHeads: 4, headSize: 128 },
  wire: { ...defaultWire, element: 'F16', repeatKeyValueHeads: true },
  rates,
} as const;

test('where LV-XAttn computes and ring attention sends, the speed-up is e F / (2 s W) forward and 2 e F / (5 s W) backward', () => {
  // mPLUG-Owl3-7b, 8K text: 512 query rows on each of 16 ranks. The closing hop of O is what the formula leaves out.
  const speedup = (pass: 'forward' | 'backward'): number =>
    quadrantMap([8192], [2916 * 1024], { ...point, pass })[0]!.speedup;
  const ideal = (2 * 12e12) / (2 * 512 * 3e9);
  assert.ok(Math.abs(speedup('forward') / ideal - 1) < 0.08, String(speedup('forward')));
  assert.ok(
    Math.abs(speedup('backward') / ((2 * 2 * 12e12) / (5 * 512 * 3e9)) - 1) < 0.08,
    String(speedup('backward')),
  );
});

test('quadrants: thresholds at nominal A100 rates, equal when both compute, ring ahead with short keys and long queries', () => {
  const nominal: Rates = { ...rates, flopsPerSecond: 312e12, bandwidth: 25e9 };
  const { keys, queries } = quadrantThresholds(16, point.shape, point.wire, nominal);
  assert.equal(keys / 16, 12480);
  assert.equal(queries, keys);
  const grouped = { ...point.wire, repeatKeyValueHeads: false };
  assert.equal(quadrantThresholds(16, point.shape, grouped, nominal).queries, keys / 7);
  const at = (q: number, k: number): number => quadrantMap([q], [k], { ...point, rates: nominal })[0]!.speedup;
  assert.ok(at(8192, 1 << 21) > 5);
  assert.ok(Math.abs(at(1 << 21, 1 << 21) - 1) < 0.05);
  assert.ok(at(1 << 20, 1 << 15) < 1);
});

test('every algorithm and pass is planned up to 1024 ranks, with bytes, memory and a bound', () => {
  for (const algorithm of algorithms) {
    for (const pass of passes.filter(pass => hasPass(algorithm, pass))) {
      for (const ranks of [1, 8, 1024]) {
        const sizes: Sizes = {
          shape: { queryHeads: 1024, keyValueHeads: 1024, headSize: 16 },
          sharding: { queryRows: splitEvenly(2048, ranks), keyRows: splitEvenly(1 << 20, ranks) },
          wire: { ...defaultWire, element: 'F16' },
        };
        const { prediction, bytesSentPerRank } = plan(algorithm, pass, sizes, rates);
        assert.equal(bytesSentPerRank.length, ranks);
        assert.equal(prediction.compute.length, ranks);
        assert.ok(prediction.total >= prediction.compute[0]! && prediction.peakMemory > 0);
        assert.equal(bytesSentPerRank[0]! > 0, ranks > 1);
      }
    }
  }
});

test('memory: repeated key-value heads have gradients as many as query heads', () => {
  const shape = { queryHeads: 8, keyValueHeads: 2, headSize: 16 };
  const gradients = (repeatKeyValueHeads: boolean): number => {
    const sizes: Sizes = { ...sizesOf(1, 4, 64), shape, wire: { ...defaultWire, repeatKeyValueHeads } };
    return peakBytes(buildProgram('ring', 'backward', sizes, 0), sizes, true).held.gradient;
  };
  const ofQueries = 2 * 4 * 8 * 16 * 4;
  assert.equal(gradients(false), ofQueries + 2 * 64 * 2 * 16 * 4, 'dO, dQ; dK, dV');
  assert.equal(gradients(true), ofQueries + 2 * 64 * 8 * 16 * 4);
});

test('memory: ring attention holds three key-value shards, LV-XAttn one, all-gather all of them', () => {
  const ranks = 8;
  const sizes = sizesOf(ranks, 8, 80_000);
  const shard = (2 * 2 * 80_000 * 8 * 16) / ranks;
  const scores = 8 * 4096 * 4;
  const shards = (algorithm: 'lv-xattn' | 'ring' | 'all-gather'): number =>
    Math.round((predict(algorithm, 'forward', sizes, rates).peakMemory - scores) / shard);
  assert.deepEqual([shards('lv-xattn'), shards('ring'), shards('all-gather')], [1, 3, 8]);
});
