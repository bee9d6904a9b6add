/** The report of traffic: exact bytes, every event, and what went wrong is said first. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { parseTrafficOptions } from '../../native/cli/traffic-options.ts';
import { packTrace } from '../../native/report/embedded-trace.ts';
import { trafficLine } from '../../native/report/traffic-line.ts';
import { writeReport } from '../../native/report/write-report.ts';
import { embeddedFile } from '../../trace/embedded-file.ts';
import { openTrafficFile, writeTrafficFile } from '../../trace/file.ts';
import { readTraceKind } from '../../trace/kind.ts';
import type { TrafficMetadata } from '../../trace/traffic/metadata.ts';
import { TrafficReader } from '../../trace/traffic/reader.ts';
import { bytesOf } from '../../trace/writer.ts';
import { floatsOf } from '../../webview/source/floats.ts';
import { smallLedger, smallTraffic } from '../fixtures/small-traffic.ts';

const folder = await mkdtemp(path.join(os.tmpdir(), 'fovea-traffic-report-'));
after(() => rm(folder, { recursive: true }));

async function reportOf(metadata: TrafficMetadata, format: 'html' | 'md' | 'json' | 'csv'): Promise<string[]> {
  const trace = path.join(folder, 'ranks.fovea');
  await writeTrafficFile(trace, metadata, { ledger: smallLedger });
  const { files } = await writeReport({ sources: [trace], outPath: path.join(folder, `ranks.${format}`), format });
  return Promise.all(files.map(file => readFile(file, 'utf8')));
}

const [run] = smallTraffic.runs;

test('the page has bytes by hop and kind, lanes as a drawing, checks, and no script is needed for them', async () => {
  const [page] = await reportOf(smallTraffic, 'html');
  assert.match(page!, /LV-XAttn: bytes/);
  assert.match(page!, /by formula/);
  assert.match(page!, /64 bytes on every rank/);
  assert.match(page!, /<svg[^>]*viewBox="0 0 880/);
  assert.match(page!, /Links are emulated/);
  assert.match(
    page!,
    /fovea traffic --algorithm=lv-xattn --ranks=2 --sq=8 --skv=12 --heads=2 --kv-heads=1 --head-dim=4/,
  );
});

test('the command line that is stated asks for the same sizes, links, wire and algorithms', () => {
  const sharding = { queryRows: [3, 5], keyRows: [6, 6] };
  const wire = { ...run!.wire, output: 'float32', repeatKeyValueHeads: true } as const;
  const runs = [run!, { ...run!, algorithm: 'ring', wire } as const];
  const line = trafficLine({ ...smallTraffic, workload: { ...smallTraffic.workload, sharding }, runs });
  const asked = parseTrafficOptions(line.split(' ').slice(2));
  assert.ok(!asked.help && 'workload' in asked);
  assert.deepEqual(asked.workload, { kind: 'sizes', shape: smallTraffic.workload.shape, sharding });
  assert.deepEqual(asked.choices, [
    { algorithm: 'lv-xattn', repeatKeyValueHeads: false },
    { algorithm: 'ring', repeatKeyValueHeads: true },
  ]);
  assert.deepEqual([asked.element, asked.pass, asked.seed, asked.repeats], ['F16', 'forward', 1, 1]);
  assert.ok(Math.abs(asked.link!.latency - 0.00002) < 1e-12);
  assert.equal(asked.link!.bandwidth, 3e9);
});

test('the report of images or a mask that an older trace does not describe says why no command line is stated', async () => {
  for (const [change, why] of [
    [{ source: 'images' }, /does not say where its images and its model were/],
    [{ mask: 'padding' }, /does not say how wide its mask is/],
  ] as const) {
    const old = { ...smallTraffic, workload: { ...smallTraffic.workload, ...change } };
    const [json] = await reportOf(old, 'json');
    assert.match((JSON.parse(json!) as { reproduce: string }).reproduce, why);
    assert.match((await reportOf(old, 'md'))[0]!, why);
  }
});

test('where there is little room, where queries looked is rounded, and every event and byte stays exact', async () => {
  const trace = path.join(folder, 'regions.fovea');
  const tensors = {
    'workload.frame_attention': { dtype: 'F32', shape: [8, 1], data: bytesOf(new Float32Array(8).fill(1)) },
    'workload.region_attention': {
      dtype: 'F32',
      shape: [8, 1, 2, 3],
      data: bytesOf(Float32Array.from({ length: 48 }, (_, i) => (1 + (i % 6)) / 21)),
    },
  } as const;
  const frame = {
    name: 'f',
    width: 3,
    height: 2,
    mime: 'image/png',
    offset: 0,
    bytes: 0,
    firstKey: 0,
    keys: 12,
  } as const;
  const frames = [{ ...frame, grid: { rows: 2, columns: 6 } }];
  const workload = { ...smallTraffic.workload, frames };
  await writeTrafficFile(trace, { ...smallTraffic, workload }, { ledger: smallLedger, tensors });
  const reader = await openTrafficFile(trace);
  const { trace: embedded, blocks, precision } = await packTrace(reader, 0);
  assert.equal(precision, 'steps');
  const file = await embeddedFile(embedded, id => blocks.find(block => block.id === id)!.base64);
  assert.equal(await readTraceKind(file), 'traffic');
  const shown = await TrafficReader.open(file);
  assert.deepEqual(shown.metadata, reader.metadata);
  assert.deepEqual(await shown.ledger(), await reader.ledger());
  const [rounded, recorded] = await Promise.all(
    [shown, reader].map(async each => floatsOf(await each.slice('workload.region_attention'))),
  );
  rounded!.forEach((value, i) => {
    assert.ok(Math.abs(value - recorded![i]!) <= 6 / 21 / 255 / 2 + 1e-7);
  });
  assert.notDeepEqual(rounded, recorded);
  await reader.close();
});

test('bytes beyond 2^31 stay exact in JSON and CSV, one line an event', async () => {
  const [json] = await reportOf(smallTraffic, 'json');
  assert.equal((JSON.parse(json!) as { ledger: typeof smallLedger }).ledger.transfers[0]!.bytes, 2 ** 40 + 1);
  const tables = await reportOf(smallTraffic, 'csv');
  assert.equal(tables.length, 3);
  assert.match(tables[0]!, /^0,LV-XAttn,forward,0,64,64,/m);
  assert.match(tables[1]!, /,1099511627777,/);
  assert.equal(tables[1]!.trim().split('\r\n').length, 1 + smallLedger.transfers.length);
});

test('a violated check and a run that broke off stand before everything else', async () => {
  const cause = { code: 'rank-died', message: 'Rank 1 ended.', hint: 'Run it again.', rank: 1 };
  const broken = {
    ...run!,
    status: { state: 'partial', cause },
    checks: [{ name: 'bytes', passed: false, message: '60 bytes instead of <64>' }],
  } as const;
  const [page] = await reportOf({ ...smallTraffic, status: broken.status, runs: [broken] }, 'html');
  const first = page!.indexOf('60 bytes instead of &lt;64&gt;');
  assert.ok(first > 0 && first < page!.indexOf('Cost of each algorithm'));
  assert.match(page!, /LV-XAttn broke off: Rank 1 ended\./);
});
