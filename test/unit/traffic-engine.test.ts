/**
 * Embedded ranks as threads, with ONNX Runtime and real messages, against attention on one device in float64: every
 * algorithm, both passes, uneven and empty shards, grouped heads, rows without keys, large logits, wire types.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareResults, compareSnapshots, prefixOrder } from '../../native/traffic/agreement.ts';
import { noiseInputs } from '../../native/traffic/noise.ts';
import type { RankInputs } from '../../native/traffic/protocol.ts';
import { computeReference } from '../../native/traffic/reference.ts';
import { type EmbeddedOutcome, runEmbedded } from '../../native/traffic/run-embedded.ts';
import { checkRun, summarizeAgreement } from '../../trace/traffic/checks.ts';
import type { AgreementEvent } from '../../trace/traffic/ledger.ts';
import { type Algorithm, algorithms, type Pass, passes, type Schedule } from '../../trace/traffic/schedule.ts';
import { buildSchedule, hasPass } from '../../trace/traffic/schedules/build-schedule.ts';
import { defaultWire, type Sizes } from '../../trace/traffic/sizes.ts';
import { bundledThreads } from '../fixtures/traffic-threads.ts';

const start = await bundledThreads('traffic-engine');

interface Case {
  readonly sizes: Sizes;
  readonly scale?: number;
  readonly visible?: Int32Array;
  readonly tolerance?: number;
}

interface Checked {
  readonly outcome: EmbeddedOutcome;
  readonly schedule: Schedule;
  readonly agreement: readonly AgreementEvent[];
}

async function runChecked(
  algorithm: Algorithm,
  pass: Pass,
  { sizes, scale = 1, visible, tolerance = 1e-5 }: Case,
): Promise<Checked> {
  const schedule = buildSchedule(algorithm, pass, sizes);
  const inputs = noiseInputs(sizes, pass, 7).map((own): RankInputs => ({
    ...own,
    Q: own.Q.map(value => value * scale),
  }));
  const outcome = await runEmbedded({ schedule, inputs, visible, repeats: 1, start });
  assert.deepEqual(outcome.status, { state: 'complete' });
  const prefixes = pass === 'forward' ? prefixOrder(algorithm) : 'none';
  const gradients = pass === 'backward';
  const reference = await computeReference({ sizes, inputs, visible }, { gradients, prefixes, budget: Infinity });
  const agreement = [
    ...compareResults(0, outcome.results, reference, sizes),
    ...compareSnapshots(0, outcome.snapshots, reference, sizes),
  ];
  const summary = summarizeAgreement(agreement, tolerance, 'float64')!;
  const checks = checkRun(schedule, { ...outcome.ledger, agreement }, summary);
  assert.deepEqual(
    checks.filter(({ passed }) => !passed),
    [],
    `${algorithm} ${pass}`,
  );
  const wanted = pass === 'forward' ? ['O'] : ['dQ', 'dK', 'dV'];
  for (const kind of wanted)
    assert.ok(
      agreement.some(event => event.kind === kind && event.round === -1),
      kind,
    );
  return { outcome, schedule, agreement };
}

const uneven: Readonly<Record<number, { readonly queryRows: number[]; readonly keyRows: number[] }>> = {
  1: { queryRows: [5], keyRows: [40] },
  2: { queryRows: [3, 6], keyRows: [50, 17] },
  3: { queryRows: [4, 1, 5], keyRows: [20, 33, 8] },
  4: { queryRows: [2, 0, 4, 3], keyRows: [16, 21, 0, 40] },
  5: { queryRows: [3, 2, 2, 4, 1], keyRows: [12, 9, 30, 7, 15] },
};

for (const algorithm of algorithms) {
  for (const pass of passes.filter(pass => hasPass(algorithm, pass))) {
    test(`${algorithm} ${pass} on up to 5 ranks, uneven and empty shards, grouped heads: like one device`, async () => {
      for (const ranks of ['lv-xattn', 'ring'].includes(algorithm) ? [1, 2, 3, 4, 5] : [1, 4]) {
        const shape =
          algorithm === 'ulysses'
            ? { queryHeads: 4 * ranks, keyValueHeads: 2 * ranks, headSize: 16 }
            : { queryHeads: 6, keyValueHeads: 2, headSize: 16 };
        await runChecked(algorithm, pass, { sizes: { shape, sharding: uneven[ranks]!, wire: defaultWire } });
      }
    });
  }
}

const three = (wire = defaultWire): Sizes => ({
  shape: { queryHeads: 6, keyValueHeads: 2, headSize: 16 },
  sharding: uneven[3]!,
  wire,
});

test('every block equals attention over the shards that it has met, after every round', async () => {
  for (const algorithm of ['lv-xattn', 'ring'] as const) {
    const { agreement } = await runChecked(algorithm, 'forward', { sizes: three() });
    const rounds = agreement.filter(({ round }) => round >= 0);
    assert.equal(rounds.length, 9);
    assert.ok(rounds.every(({ relL2, lseMaxAbs }) => relL2 < 1e-5 && lseMaxAbs < 1e-5));
  }
});

test('rows that see no key are exactly 0 and minus infinity; others see their frames only, whoever holds them', async () => {
  // 10 query rows, 61 keys: a staircase whose first three rows see nothing, and single keys across shard borders.
  const visible = new Int32Array([0, 0, 0, 0, 5, 5, 0, 20, 0, 21, 0, 53, 0, 61, 19, 22, 60, 61, 20, 53]);
  for (const algorithm of ['lv-xattn', 'ring', 'all-gather', 'gather-q'] as const) {
    const { outcome, agreement } = await runChecked(algorithm, 'forward', { sizes: three(), visible });
    const { O, L } = outcome.results[0]!;
    for (let head = 0; head < 6; head++) {
      for (let row = 0; row < 3; row++) {
        assert.equal(L![head * 4 + row], -Infinity);
        assert.ok(O!.subarray((head * 4 + row) * 16, (head * 4 + row + 1) * 16).every(value => value === 0));
      }
    }
    assert.ok(agreement.every(({ maskedNonZero, notFinite }) => maskedNonZero === 0 && notFinite === 0));
  }
  for (const algorithm of ['lv-xattn', 'ring'] as const)
    await runChecked(algorithm, 'backward', { sizes: three(), visible });
});

test('logits of several hundred do not overflow: the merge is stable', async () => {
  for (const algorithm of ['lv-xattn', 'ring', 'pass-q'] as const) {
    const { agreement } = await runChecked(algorithm, 'forward', { sizes: three(), scale: 60, tolerance: 1e-4 });
    assert.ok(agreement.every(({ notFinite }) => notFinite === 0));
  }
});

test('few keys and odd ranks, where a wrong start of L or a wrong buffer would show', async () => {
  for (const ranks of [3, 5]) {
    const sizes: Sizes = {
      shape: { queryHeads: 2, keyValueHeads: 1, headSize: 8 },
      sharding: { queryRows: Array.from({ length: ranks }, () => 2), keyRows: Array.from({ length: ranks }, () => 1) },
      wire: defaultWire,
    };
    await runChecked('lv-xattn', 'forward', { sizes });
  }
});

test('repeated heads, float32 outputs, gradients of both kinds, D instead of O, and half precision on the wire', async () => {
  const repeated = { ...defaultWire, repeatKeyValueHeads: true };
  for (const algorithm of ['ring', 'all-gather'] as const) {
    for (const pass of passes) await runChecked(algorithm, pass, { sizes: three(repeated) });
  }
  const delta = { ...defaultWire, backward: 'delta' } as const;
  await runChecked('lv-xattn', 'backward', { sizes: three(delta) });
  const half = { ...defaultWire, element: 'F16' } as const;
  const rounded = await runChecked('lv-xattn', 'forward', { sizes: three(half), tolerance: 5e-3 });
  const exact = await runChecked('lv-xattn', 'forward', { sizes: three({ ...half, output: 'float32' }) });
  assert.ok(
    rounded.agreement.some(({ relL2 }) => relL2 > 1e-5),
    'O really travelled in half precision',
  );
  assert.ok(exact.agreement.every(({ relL2 }) => relL2 < 1e-5));
  await runChecked('lv-xattn', 'backward', { sizes: three({ ...half, gradient: 'float32' }), tolerance: 5e-3 });
  await runChecked('ring', 'forward', { sizes: three({ ...defaultWire, element: 'BF16' }), tolerance: 3e-2 });
});

test('Ulysses sends a key-value head to several ranks where there are more ranks than heads', async () => {
  const sizes: Sizes = {
    shape: { queryHeads: 8, keyValueHeads: 2, headSize: 16 },
    sharding: uneven[4]!,
    wire: defaultWire,
  };
  for (const pass of passes) await runChecked('ulysses', pass, { sizes });
});

test('an emulated link delivers no earlier than its latency and bandwidth allow', async () => {
  const schedule = buildSchedule('ring', 'forward', three());
  const link = { latency: 0.004, bandwidth: 1e6 };
  const outcome = await runEmbedded({ schedule, inputs: noiseInputs(three(), 'forward', 1), repeats: 1, link, start });
  const { transfers } = outcome.ledger;
  assert.equal(transfers.length, 12);
  for (const { kind, posted, started, ended, bytes } of transfers) {
    assert.ok(started >= posted);
    const least = bytes / link.bandwidth + (kind === 'K' ? link.latency : 0);
    assert.ok((ended - started) / 1e9 >= least * 0.999, `${kind}: ${(ended - started) / 1e9} s of at least ${least}`);
  }
});
