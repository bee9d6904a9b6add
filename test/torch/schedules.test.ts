/**
 * Torch ranks under torchrun with gloo: every algorithm, forward and backward, on uneven shards with grouped-query heads,
 * rows that see nothing, an empty key-value shard and an empty query block. Compared with dense attention and autograd in
 * float64, and byte for byte with the closed formulas.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { expectedBytes, sumByRank } from '../../trace/traffic/formulas.ts';
import type { RanksJob } from '../../trace/traffic/job.ts';
import { MaskedWork } from '../../trace/traffic/masked-work.ts';
import { runsOfIntervals } from '../../trace/traffic/masks.ts';
import type { TrafficRun } from '../../trace/traffic/metadata.ts';
import { plan } from '../../trace/traffic/planner.ts';
import type { Sizes } from '../../trace/traffic/sizes.ts';
import {
  failures,
  makeJob,
  movingWindow,
  readTraffic,
  scratch,
  start,
  type TrafficTrace,
  unevenSharding,
  type Variant,
  writeJob,
} from './ranks-rig.ts';

const shape = { queryHeads: 6, keyValueHeads: 2, headSize: 8 };
const space = scratch();
after(() => {
  space.remove();
});

const variants: readonly Variant[] = [
  { algorithm: 'lv-xattn', wire: { backward: 'delta', gradient: 'float32' } },
  { algorithm: 'lv-xattn', wire: { backward: 'official' } },
  { algorithm: 'ring' },
  { algorithm: 'ring', wire: { repeatKeyValueHeads: true } },
  { algorithm: 'all-gather' },
  { algorithm: 'pass-q' },
  { algorithm: 'gather-q' },
];

async function runJob(
  name: string,
  job: ReturnType<typeof makeJob>,
  words: readonly string[] = [],
): Promise<TrafficTrace> {
  const file = writeJob(space.file(`${name}.json`), job);
  const out = space.file(`${name}.fovea`);
  const ranks = String(job.schedules[0]!.ranks);
  const { code, stderr, lines } = await start([
    '-m',
    'fovea_ranks',
    '--ranks',
    ranks,
    '--schedule',
    file,
    '--out',
    out,
    ...words,
  ]).finished;
  assert.equal(code, 0, `${stderr}\n${JSON.stringify(lines.at(-1))}`);
  return readTraffic(out);
}

function assertBytes(run: TrafficRun, { ledger }: TrafficTrace, index: number, sizes: Omit<Sizes, 'wire'>): void {
  const ranks = sizes.sharding.queryRows.length;
  const expected = expectedBytes(run.algorithm, run.pass, { ...sizes, wire: run.wire });
  assert.deepEqual(run.bytes.sentPerRank, sumByRank(expected, ranks));
  const transfers = ledger.transfers.filter(transfer => transfer.run === index);
  for (const [kind, perRank] of Object.entries(expected)) {
    const found = perRank.map((_, rank) =>
      transfers
        .filter(transfer => transfer.kind === kind && transfer.source === rank)
        .reduce((sum, { bytes }) => sum + bytes, 0),
    );
    assert.deepEqual(found, perRank, `${kind} of ${run.algorithm} ${run.pass}`);
  }
  for (const { posted, started, ended } of transfers) {
    assert.ok(posted >= 0 && started >= posted && ended >= started, `times ${posted}, ${started}, ${ended}`);
  }
}

/** Ranks compute each shard that a row of the block sees, in full, and skip others: in every round what the plan says. */
function assertPlanned(
  { algorithm, pass }: TrafficRun,
  { ledger }: TrafficTrace,
  index: number,
  sizes: Sizes,
  visible: NonNullable<RanksJob['visible']>,
): void {
  const masked = new MaskedWork(runsOfIntervals(Int32Array.from(visible.flat())), sizes.sharding, 'shards');
  const rates = { flopsPerSecond: 1, bandwidth: 1, latency: 0, memoryBandwidth: Infinity };
  const { flops } = plan(algorithm, pass, sizes, rates, masked).mask!.blocks;
  const work = ledger.computes.filter(
    ({ run, kind }) => run === index && (kind === 'attention' || kind === 'gradient'),
  );
  assert.equal(work.length, flops.flat().length);
  for (const event of work) {
    const planned = flops[event.rank]![event.round]!;
    const where = `${algorithm} ${pass}, rank ${event.rank}, round ${event.round}`;
    assert.deepEqual([event.flops, event.skipped], [planned, planned === 0], where);
  }
}

await describe('torch ranks', async () => {
  for (const ranks of [1, 2, 3, 4, 5]) {
    await test(`${ranks} ranks agree with one device and send what the formulas say`, async () => {
      const sharding = unevenSharding(ranks);
      // Six query heads and two key heads: Ulysses splits them over one rank or two.
      const chosen: readonly Variant[] = ranks <= 2 ? [...variants, { algorithm: 'ulysses' }] : variants;
      const job = makeJob({ shape, sharding }, chosen, movingWindow(sharding, 30));
      const trace = await runJob(`ranks-${ranks}`, job);
      assert.deepEqual(trace.metadata.status, { state: 'complete' });
      assert.equal(trace.metadata.runs.length, job.schedules.length);
      for (const [index, run] of trace.metadata.runs.entries()) {
        const label = `${run.algorithm} ${run.pass}`;
        assert.deepEqual(failures(run), [], label);
        const names = run.checks.map(({ name }) => name);
        for (const name of ['bytes', 'overlap', 'ownership', 'agreement'])
          assert.ok(names.includes(name), `${label}: ${name}`);
        assert.equal(names.includes('prefix'), run.pass === 'forward', label);
        assert.ok(run.agreement && run.agreement.maxAbs < 1e-5, `${label}: ${run.agreement?.maxAbs}`);
        assert.equal(run.backend.name, 'torch-gloo');
        assertBytes(run, trace, index, { shape, sharding });
        assertPlanned(run, trace, index, { shape, sharding, wire: run.wire }, job.visible!);
      }
      const outputs = trace.ledger.agreement.filter(({ kind, round }) => kind === 'O' && round === -1);
      for (const { lseMaxAbs, notFinite, maskedNonZero } of outputs) {
        assert.deepEqual([notFinite, maskedNonZero], [0, 0]);
        assert.ok(Number.isNaN(lseMaxAbs) || lseMaxAbs < 1e-5);
      }
      const compared = new Set(trace.ledger.agreement.map(({ kind }) => kind));
      assert.deepEqual([...compared].sort(), ['O', 'dK', 'dQ', 'dV']);
    });
  }

  await test('several workloads in one start: visits in order, and half precision within its rounding', async context => {
    const folder = space.file('bench');
    const out = space.file('bench-out');
    mkdirSync(folder);
    const write = (name: string, sharding: Sizes['sharding'], chosen: readonly Variant[]): string =>
      writeJob(path.join(folder, `${name}.json`), makeJob({ shape, sharding }, chosen));
    write('visits', { queryRows: [4, 5, 6], keyRows: [30, 20, 10] }, [{ algorithm: 'lv-xattn', passes: ['forward'] }]);
    const tolerances = { BF16: 2e-2, F16: 5e-3 } as const;
    for (const element of ['BF16', 'F16'] as const) {
      write(element, { queryRows: [16, 16, 16], keyRows: [40, 50, 60] }, [
        { algorithm: 'lv-xattn', wire: { element, gradient: 'float32', backward: 'delta' } },
        { algorithm: 'lv-xattn', wire: { element, output: 'float32' }, passes: ['forward'] },
        { algorithm: 'ring', wire: { element } },
      ]);
    }
    const cases = ['visits', ...Object.keys(tolerances)].map(name => ({
      name,
      job: path.join(folder, `${name}.json`),
      out: path.join(out, `${name}.fovea`),
      repeat: 3,
      warmup: 1,
      check: 'full',
    }));
    const list = space.file('cases.json');
    writeFileSync(list, JSON.stringify(cases));
    const { code, lines, stderr } = await start(['-m', 'fovea_ranks', '--ranks', '3', '--cases', list]).finished;
    assert.equal(code, 0, stderr);
    assert.equal(lines.filter(({ type }) => type === 'result').length, 3);

    await context.test('block b is worked on by ranks b, b + 1, ... and comes home, though n is odd', async () => {
      const { ledger, metadata } = await readTraffic(path.join(out, 'visits.fovea'));
      assert.equal(metadata.runs[0]!.repeats.totals.length, 3);
      const middle = metadata.runs[0]!.repeats.totals.toSorted((a, b) => a - b)[1];
      assert.equal(metadata.runs[0]!.times!.total, middle);
      for (const block of [0, 1, 2]) {
        const visits = ledger.computes.filter(({ kind, owner }) => kind === 'attention' && owner === block);
        const order = visits.toSorted((a, b) => a.round - b.round).map(({ rank }) => rank);
        assert.deepEqual(order, [block, (block + 1) % 3, (block + 2) % 3]);
        const home = ledger.transfers.filter(
          transfer => transfer.kind === 'O' && transfer.owner === block && transfer.home,
        );
        assert.deepEqual(
          home.map(({ destination, hop }) => [destination, hop]),
          [[block, 3]],
        );
      }
    });

    for (const [element, tolerance] of Object.entries(tolerances)) {
      await context.test(`${element}: sending O in float32 saves its rounding`, async () => {
        const { metadata } = await readTraffic(path.join(out, `${element}.fovea`));
        for (const run of metadata.runs) {
          assert.deepEqual(failures(run), []);
          assert.ok(run.agreement && run.agreement.cosine > 0.999);
          if (run.pass === 'forward') assert.ok(run.agreement.maxAbs < tolerance, String(run.agreement.maxAbs));
        }
        const [rounded, , exact] = metadata.runs.map(run => run.agreement!.maxAbs);
        assert.ok(exact! < rounded! / 10, `float32 output ${exact}, ${element} output ${rounded}`);
      });
    }
  });

  await test('Ulysses on more ranks than key heads: they are shared, and their gradients added', async () => {
    const sharding = { queryRows: [3, 4, 5, 6], keyRows: [10, 12, 9, 11] };
    const heads = { queryHeads: 8, keyValueHeads: 2, headSize: 8 };
    const { metadata } = await runJob('ulysses', makeJob({ shape: heads, sharding }, [{ algorithm: 'ulysses' }]));
    for (const run of metadata.runs) {
      assert.deepEqual(failures(run), []);
      assert.ok(run.agreement && run.agreement.maxAbs < 1e-5);
    }
  });

  await test('logits of hundreds need, and get, a stable merge', async () => {
    const sharding = { queryRows: [7, 8, 9], keyRows: [30, 20, 25] };
    const job = makeJob({ shape, sharding }, [{ algorithm: 'lv-xattn' }, { algorithm: 'ring' }]);
    const { metadata } = await runJob('large-logits', job, ['--query-scale', '100']);
    for (const run of metadata.runs) {
      assert.deepEqual(failures(run), []);
      assert.ok(run.agreement && run.agreement.maxAbs < 2e-3, String(run.agreement?.maxAbs));
    }
  });

  await test('a slow link is kept to, and its lanes are marked simulated', async () => {
    const sharding = { queryRows: [64, 64], keyRows: [64, 64] };
    const job = makeJob({ shape, sharding }, [{ algorithm: 'lv-xattn', passes: ['forward'] }]);
    const { metadata, ledger } = await runJob('slow', job, ['--throttle', '0.0001', '--no-check']);
    const run = metadata.runs[0]!;
    assert.equal(run.links.simulated, true);
    for (const { bytes, started, ended } of ledger.transfers) {
      const least = (bytes / 100_000) * 1e9;
      assert.ok(ended - started >= least * 0.999, `${bytes} bytes took ${ended - started} ns, at least ${least}`);
    }
    assert.equal(run.agreement, undefined);
  });

  await test('recomputation keeps what its formula says and gives the same gradients', async () => {
    const sharding = unevenSharding(3);
    const job = makeJob({ shape, sharding }, [{ algorithm: 'lv-xattn' }]);
    const file = writeJob(space.file('activations.json'), job);
    const words = [
      '-m',
      'fovea_ranks',
      '--ranks',
      '3',
      '--schedule',
      file,
      '--out',
      space.file('activations-out.json'),
    ];
    const { code, lines, stderr } = await start([...words, '--activations', '4', '--visual-width', '10']).finished;
    assert.equal(code, 0, stderr);
    const { ranks } = lines.find(({ type }) => type === 'activations') as unknown as {
      ranks: {
        gradientDifference: number;
        modes: { recompute: boolean; keptBytes: number; formulaBytes: number }[];
      }[];
    };
    assert.equal(ranks.length, 3);
    for (const { gradientDifference, modes } of ranks) {
      assert.ok(gradientDifference < 1e-5, String(gradientDifference));
      const [saving, recomputing] = modes;
      for (const { keptBytes, formulaBytes } of modes) assert.equal(keptBytes, formulaBytes);
      assert.ok(recomputing!.keptBytes <= saving!.keptBytes);
    }
    const [first] = ranks;
    // x is 48 wide, y 10: per layer Q and K, V (2 heads of 8) of rank 0 are not kept.
    const spared = 4 * (4 * 5 * 6 * 8 + 2 * 4 * 20 * 2 * 8);
    assert.equal(first!.modes[0]!.keptBytes - first!.modes[1]!.keptBytes, spared);
  });
});
