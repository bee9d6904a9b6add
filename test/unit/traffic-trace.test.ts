/** The container of traffic traces: what is written is read back, and what contradicts itself is refused. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { TraceError } from '../../trace/errors.ts';
import { openTraceFile, openTrafficFile, traceFileKind, writeTraceFile, writeTrafficFile } from '../../trace/file.ts';
import { encodeSafetensors } from '../../trace/safetensors.ts';
import { validateTrafficMetadata } from '../../trace/traffic/validation.ts';
import { encodeTraffic } from '../../trace/traffic/writer.ts';
import { smallRun, smallTensors } from '../fixtures/small-run.ts';
import { smallLedger, smallTraffic } from '../fixtures/small-traffic.ts';

const folder = await mkdtemp(join(tmpdir(), 'fovea-traffic-trace-'));
after(() => rm(folder, { recursive: true }));

const hasCode = (code: string, words: RegExp) => (error: unknown) =>
  error instanceof TraceError && error.code === code && words.test(error.message);

test('metadata and every event come back as they were written, bytes beyond 2^31 and unfinished transfers too', async () => {
  const path = join(folder, 'traffic.fovea');
  const tensors = {
    'workload.frame_attention': { dtype: 'F32', shape: [8, 0], data: new Uint8Array() },
  } as const;
  await writeTrafficFile(path, smallTraffic, { ledger: smallLedger, tensors });
  const reader = await openTrafficFile(path);
  assert.deepEqual(reader.metadata, smallTraffic);
  assert.deepEqual(await reader.ledger(), smallLedger);
  assert.deepEqual(reader.tensors['traffic.transfers'], { dtype: 'F64', shape: [1, 14] });
  assert.deepEqual(reader.tensors['workload.frame_attention'], { dtype: 'F32', shape: [8, 0] });
  await reader.close();
});

test('a file says which kind it is, and a reader of the other kind refuses it', async () => {
  const [traffic, run] = [join(folder, 't.fovea'), join(folder, 'r.fovea')];
  await writeTrafficFile(traffic, smallTraffic, { ledger: smallLedger });
  await writeTraceFile(run, smallRun, smallTensors());
  assert.equal(await traceFileKind(traffic), 'traffic');
  assert.equal(await traceFileKind(run), 'run');
  await assert.rejects(openTraceFile(traffic), hasCode('other-kind', /traffic between ranks/));
  await assert.rejects(openTrafficFile(run), hasCode('other-kind', /model on an image/));
});

test('a kind of the future is told from a damaged file', async () => {
  const path = join(folder, 'future.fovea');
  await writeFile(path, Buffer.concat(encodeSafetensors({}, { fovea: JSON.stringify({ kind: 'dreams' }) })));
  await assert.rejects(traceFileKind(path), hasCode('newer-schema', /"dreams"/));
});

const [firstRun] = smallTraffic.runs;
const contradictions: [string, object, string, RegExp][] = [
  ['a newer schema', { schema: 99 }, 'newer-schema', /schema 99/],
  [
    'ranks that differ',
    { workload: { ...smallTraffic.workload, sharding: { queryRows: [4, 4], keyRows: [12] } } },
    'bad-metadata',
    /keyRows has 1 ranks instead of 2/,
  ],
  [
    'negative rows',
    { workload: { ...smallTraffic.workload, sharding: { queryRows: [4, -4], keyRows: [6, 6] } } },
    'bad-metadata',
    /queryRows\[1\]/,
  ],
  [
    'tokens without rows',
    { workload: { ...smallTraffic.workload, tokens: [{ text: 'a', role: 'question' }] } },
    'bad-metadata',
    /1 tokens for 8 query rows/,
  ],
  [
    'a question that is no text',
    { workload: { ...smallTraffic.workload, question: [{ text: '<b>' }] } },
    'bad-metadata',
    /workload\.question is not text/,
  ],
  [
    'versions that are no text',
    { runs: [{ ...firstRun, backend: { ...firstRun!.backend, versions: { node: 1 } } }] },
    'bad-metadata',
    /backend\.versions\.node is not text/,
  ],
  ['rounds without end', { runs: [{ ...firstRun, rounds: 1e12 }] }, 'bad-metadata', /runs\[0\]\.rounds/],
  [
    'an unknown algorithm',
    { runs: [{ ...firstRun, algorithm: 'magic' }] },
    'bad-metadata',
    /runs\[0\]\.algorithm is "magic"/,
  ],
  [
    'bytes of another number of ranks',
    { runs: [{ ...firstRun, bytes: { ...firstRun!.bytes, sentPerRank: [1] } }] },
    'bad-metadata',
    /sentPerRank has 1 values for 2 ranks/,
  ],
  [
    'an unknown kind of tensor',
    { runs: [{ ...firstRun, bytes: { ...firstRun!.bytes, sentByKind: { X: [1, 1] } } }] },
    'bad-metadata',
    /sentByKind is "X"/,
  ],
  ['a partial run without a cause', { status: { state: 'partial' } }, 'bad-metadata', /cause\.code/],
];

for (const [what, change, code, words] of contradictions) {
  test(`refuses ${what}`, () => {
    assert.throws(
      () => {
        validateTrafficMetadata({ ...smallTraffic, ...change });
      },
      hasCode(code, words),
    );
  });
}

test('refuses a table of another width and frames outside their tensor', () => {
  const frame = {
    name: 'a',
    width: 1,
    height: 1,
    mime: 'image/png',
    offset: 0,
    bytes: 9,
    firstKey: 0,
    keys: 1,
    grid: { rows: 1, columns: 1 },
  };
  assert.throws(
    () =>
      encodeTraffic(
        { ...smallTraffic, workload: { ...smallTraffic.workload, frames: [frame] } },
        { ledger: smallLedger },
      ),
    hasCode('bad-metadata', /frames\[0\] lies outside/),
  );
  const tensors = { 'workload.frame_attention': { dtype: 'F32', shape: [7, 0], data: new Uint8Array() } } as const;
  assert.throws(
    () => encodeTraffic(smallTraffic, { ledger: smallLedger, tensors }),
    hasCode('wrong-tensor', /\[7, 0\], expected \[8, 0\]/),
  );
});

test('refuses events on ranks that are not there', async () => {
  const path = join(folder, 'elsewhere.fovea');
  const [transfer] = smallLedger.transfers;
  const ledger = { ...smallLedger, transfers: [{ ...transfer!, destination: 1e9 }] };
  await writeTrafficFile(path, smallTraffic, { ledger });
  const reader = await openTrafficFile(path);
  try {
    await assert.rejects(reader.ledger(), hasCode('bad-value', /rank 1000000000, but there are 2/));
  } finally {
    await reader.close();
  }
});
