/** What two H100s measured (docs/two-h100): traces that open and pass every check, the documents' tables, and the planner. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { openTrafficFile } from '../../trace/file.ts';
import { checkRun } from '../../trace/traffic/checks.ts';
import { ledgerOfRun } from '../../trace/traffic/ledger.ts';
import { runLabel, type TrafficMetadata } from '../../trace/traffic/metadata.ts';
import { predict } from '../../trace/traffic/planner.ts';
import { ratesOfRun, type RunOnRecord } from '../../trace/traffic/run-rates.ts';
import { passes } from '../../trace/traffic/schedule.ts';
import { buildSchedule } from '../../trace/traffic/schedules/build-schedule.ts';
import { linksTable, passesTable } from '../bench/ranks-table.ts';

const folder = path.join(import.meta.dirname, '../../docs/two-h100');

interface Measured {
  readonly file: string;
  readonly metadata: TrafficMetadata;
  readonly runs: readonly RunOnRecord[];
}

async function readAll(): Promise<Measured[]> {
  const found: Measured[] = [];
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith('.fovea')) continue;
    const reader = await openTrafficFile(path.join(folder, file));
    const ledger = await reader.ledger();
    const { metadata } = reader;
    found.push({
      file,
      metadata,
      runs: metadata.runs.map((run, index) => ({ run, ledger: ledgerOfRun(ledger, index) })),
    });
    await reader.close();
  }
  return found;
}

const traces = await readAll();

test('three presets, three rows and three links were measured on two GPUs, LV-XAttn beside the ring', () => {
  assert.equal(traces.length, 27);
  for (const { file, metadata } of traces) {
    assert.equal(metadata.status.state, 'complete', file);
    for (const { backend, agreement } of metadata.runs) {
      assert.equal(backend.name, 'torch-nccl', file);
      assert.match(JSON.stringify(backend), /H100/, file);
      assert.ok(agreement === undefined || agreement.maxAbs <= agreement.tolerance, file);
    }
    for (const pass of passes) {
      const labels = metadata.runs.filter(run => run.pass === pass).map(runLabel);
      assert.deepEqual(labels.slice(0, 2), ['LV-XAttn', 'Ring attention'], file);
    }
  }
});

test('every message, block and overlap of every run passes the checks again', () => {
  for (const { file, metadata, runs } of traces) {
    const { shape, sharding } = metadata.workload;
    for (const { run, ledger } of runs) {
      const schedule = buildSchedule(run.algorithm, run.pass, { shape, sharding, wire: run.wire });
      const failed = checkRun(schedule, ledger, run.agreement).filter(({ passed }) => !passed);
      assert.deepEqual(failed, [], `${file}, ${runLabel(run)}`);
    }
  }
});

// e h d (S_Q - s_Q) + e h d S_Q + 4 h S_Q for LV-XAttn and 2 e h' d s_KV for the ring, by hand: 32/8 heads of 128 with 128
// rows and 153,696 keys a rank; 28/4 of 128, 512, 186,624; 8/8 of 64, 4,096, 262,144.
const forwardBytes = {
  'llama3-v': [3_178_496, 629_538_816],
  'mplug-owl3-7b': [11_124_736, 382_205_952],
  'openflamingo-9b': [12_845_056, 536_870_912],
} as const;

for (const [preset, [lvXattn, ring]] of Object.entries(forwardBytes)) {
  test(`${preset}: every rank sent what the paper's formulas say, ${lvXattn} and ${ring} bytes`, () => {
    const { runs } = traces.find(({ file }) => file === `${preset}-1-link-none.fovea`)!;
    const forward = runs.filter(({ run }) => run.pass === 'forward').map(({ run }) => run.bytes.sentPerRank);
    assert.deepEqual(forward.slice(0, 2), [
      [lvXattn, lvXattn],
      [ring, ring],
    ]);
  });
}

/** Predicted over measured time, of the ring with the rates at which LV-XAttn ran beside it. */
function accuracies(of: (file: string) => boolean, pass: (typeof passes)[number]): [string, number][] {
  return traces
    .filter(({ file }) => of(file))
    .flatMap(({ file, metadata, runs }) => {
      const { shape, sharding } = metadata.workload;
      const base = runs.find(({ run }) => run.algorithm === 'lv-xattn' && run.pass === pass)!;
      const { rates } = ratesOfRun(base, runs, { shape, sharding });
      return runs
        .filter(({ run }) => run.algorithm === 'ring' && run.pass === pass)
        .map(({ run }): [string, number] => {
          const { total } = predict('ring', pass, { shape, sharding, wire: run.wire }, rates);
          return [`${file}, ${runLabel(run)}, ${pass}`, total / run.times!.total];
        });
    });
}

test('on links of known speed the planner predicts what the GPUs took within 5 %', () => {
  for (const pass of passes) {
    const found = accuracies(file => !file.includes('link-none'), pass);
    // Two models with grouped heads have two rings, each with three rows on two links.
    assert.equal(found.length, 2 * 2 * 6 + 6, pass);
    for (const [name, accuracy] of found) assert.ok(Math.abs(accuracy - 1) < 0.05, `${name}: ${accuracy}`);
  }
});

test('over NVLink it predicts backward passes within 10 %, and forward passes too fast, never too slow', () => {
  const native = (file: string): boolean => file.includes('link-none');
  for (const [name, accuracy] of accuracies(native, 'backward')) {
    assert.ok(Math.abs(accuracy - 1) < 0.1, `${name}: ${accuracy}`);
  }
  for (const [name, accuracy] of accuracies(native, 'forward')) {
    assert.ok(accuracy > 0.6 && accuracy < 1.02, `${name}: ${accuracy}`);
  }
});

test('the tables in the documents are of these traces', () => {
  const metadata = traces.map(trace => trace.metadata);
  assert.equal(readFileSync(path.join(folder, 'README.md'), 'utf8').includes(passesTable(metadata)), true);
  assert.ok(readFileSync(path.join(folder, '../lv-xattn.md'), 'utf8').includes(linksTable(metadata)));
});
