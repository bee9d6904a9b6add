/** What GPUs measured (docs/two-h100, docs/four-h200): traces that open and pass every check, the documents' tables, and the planner. */
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
import { type Pass, passes } from '../../trace/traffic/schedule.ts';
import { buildSchedule } from '../../trace/traffic/schedules/build-schedule.ts';
import { linksTable, passesTable } from '../bench/ranks-table.ts';

const documents = path.join(import.meta.dirname, '../../docs');

interface Measured {
  readonly file: string;
  readonly metadata: TrafficMetadata;
  readonly runs: readonly RunOnRecord[];
}

async function readAll(machine: string): Promise<Measured[]> {
  const found: Measured[] = [];
  for (const file of readdirSync(path.join(documents, machine)).sort()) {
    if (!file.endsWith('.fovea')) continue;
    const reader = await openTrafficFile(path.join(documents, machine, file));
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

interface Machine {
  readonly folder: string;
  readonly gpu: RegExp;
  readonly ranks: number;
  readonly traces: number;
  /** Bytes that a rank sends forward in row 1 of the paper's table 3, by hand: LV-XAttn, ring attention. */
  readonly forwardBytes: Readonly<Record<string, readonly [number, number]>>;
}

// e h d (S_Q - s_Q) + e h d S_Q + 4 h S_Q for LV-XAttn and 2 e h' d s_KV (n - 1) for the ring: 32/8 heads of 128 with 128
// rows and 153,696 keys a rank; 28/4 of 128, 512, 186,624; 8/8 of 64, 4,096, 262,144.
const machines: readonly Machine[] = [
  {
    folder: 'two-h100',
    gpu: /H100/,
    ranks: 2,
    traces: 27,
    forwardBytes: {
      'llama3-v': [3_178_496, 629_538_816],
      'mplug-owl3-7b': [11_124_736, 382_205_952],
      'openflamingo-9b': [12_845_056, 536_870_912],
    },
  },
  {
    folder: 'four-h200',
    gpu: /H200/,
    ranks: 4,
    traces: 10,
    forwardBytes: {
      'llama3-v': [7_405_568, 1_888_616_448],
      'mplug-owl3-7b': [25_919_488, 1_146_617_856],
      'openflamingo-9b': [29_884_416, 1_610_612_736],
    },
  },
];

for (const { folder, gpu, ranks, traces: count, forwardBytes } of machines) {
  const traces = await readAll(folder);

  test(`${folder}: ${count} traces, complete, LV-XAttn beside the ring, as one device within what is allowed`, () => {
    assert.equal(traces.length, count);
    for (const { file, metadata } of traces) {
      assert.equal(metadata.status.state, 'complete', file);
      assert.equal(metadata.workload.sharding.queryRows.length, ranks, file);
      for (const { backend, agreement } of metadata.runs) {
        assert.equal(backend.name, 'torch-nccl', file);
        assert.match(JSON.stringify(backend), gpu, file);
        assert.ok(agreement === undefined || agreement.maxAbs <= agreement.tolerance, file);
      }
      for (const pass of passes) {
        const labels = metadata.runs.filter(run => run.pass === pass).map(runLabel);
        assert.deepEqual(labels.slice(0, 2), ['LV-XAttn', 'Ring attention'], file);
      }
    }
  });

  test(`${folder}: every message, block and overlap of every run passes the checks again`, () => {
    for (const { file, metadata, runs } of traces) {
      const { shape, sharding } = metadata.workload;
      for (const { run, ledger } of runs) {
        const schedule = buildSchedule(run.algorithm, run.pass, { shape, sharding, wire: run.wire });
        const failed = checkRun(schedule, ledger, run.agreement).filter(({ passed }) => !passed);
        assert.deepEqual(failed, [], `${file}, ${runLabel(run)}`);
      }
    }
  });

  test(`${folder}: every rank sent what the paper's formulas say`, () => {
    for (const [preset, bytes] of Object.entries(forwardBytes)) {
      const { runs } = traces.find(({ file }) => file === `${preset}-1-link-none.fovea`)!;
      const forward = runs.filter(({ run }) => run.pass === 'forward').map(({ run }) => run.bytes.sentPerRank);
      assert.deepEqual(
        forward.slice(0, 2),
        bytes.map(sent => Array.from({ length: ranks }, () => sent)),
      );
    }
  });

  test(`${folder}: on links of known speed the planner predicts what the GPUs took within 5 %`, () => {
    for (const pass of passes) {
      const found = accuracies(traces, pass, true);
      assert.ok(found.length >= 9, pass);
      for (const [name, accuracy] of found) assert.ok(Math.abs(accuracy - 1) < 0.05, `${name}: ${accuracy}`);
    }
  });

  test(`${folder}: over NVLink, where messages take from arithmetic, it predicts too little and never too much`, () => {
    for (const pass of passes) {
      for (const [name, accuracy] of accuracies(traces, pass, false))
        assert.ok(accuracy > 0.55 && accuracy < 1.03, `${name}: ${accuracy}`);
    }
  });

  test(`${folder}: the tables in the documents are of these traces`, () => {
    const metadata = traces.map(trace => trace.metadata);
    assert.ok(readFileSync(path.join(documents, folder, 'README.md'), 'utf8').includes(passesTable(metadata)));
    assert.ok(readFileSync(path.join(documents, 'lv-xattn.md'), 'utf8').includes(linksTable(metadata)));
  });
}

/** Predicted over measured time, of the ring with the rates at which LV-XAttn ran beside it. */
function accuracies(traces: readonly Measured[], pass: Pass, simulated: boolean): [string, number][] {
  return traces
    .filter(({ metadata }) => metadata.runs[0]!.links.simulated === simulated)
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
