import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, truncate, copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PipelineClient } from '../../extension/pipeline/client.ts';
import { systemClock } from '../../extension/pipeline/clock.ts';
import { pipelineEnvironment } from '../../extension/pipeline/environment.ts';
import { PipelineFailure } from '../../extension/pipeline/failure.ts';
import { writeTraceFile } from '../../trace/file.ts';
import { writeHostileTrace } from '../fixtures/hostile-run.ts';
import { makeNewer, smallRun, smallTensors } from '../fixtures/small-run.ts';

const serverPath = fileURLToPath(new URL('../../dist/server.cjs', import.meta.url));
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

let folder = '';
let tracePath = '';
let client: PipelineClient;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-report-request-'));
  tracePath = join(folder, 'run.fovea');
  await writeHostileTrace(tracePath);
  const environment = pipelineEnvironment(process.env, false);
  client = new PipelineClient({ serverPath, environment, log, clock: systemClock, idleMilliseconds: () => 0 });
});
after(async () => {
  client.dispose();
  await rm(folder, { recursive: true, force: true });
});

test('the bundled pipeline process writes a report, script and style included, and stays for the next request', async () => {
  const outPath = join(folder, 'run.html');
  const written = await client.report({ sources: [tracePath], outPath, format: 'html' });
  assert.deepEqual(written?.files, [outPath]);
  const page = await readFile(outPath, 'utf8');
  assert.equal(Buffer.byteLength(page), written.bytes);
  assert.ok(page.includes('DecompressionStream'));
  assert.equal(client.state.kind, 'idle');
  const json = await client.report({ sources: [tracePath], outPath: join(folder, 'run.json'), format: 'json' });
  assert.equal(json?.files.length, 1);
});

test('a trace that is cut off is reported with what to do, and not as a fault of the pipeline', async () => {
  const broken = join(folder, 'broken.fovea');
  await copyFile(tracePath, broken);
  await truncate(broken, 600);
  const failure = client.report({ sources: [broken], outPath: join(folder, 'x.html'), format: 'html' });
  await assert.rejects(failure, (error: unknown) => {
    assert.ok(error instanceof PipelineFailure && error.detail.kind === 'reported');
    assert.equal(error.detail.code, 'disk');
    assert.match(error.detail.hint, /copied only in part/);
    return true;
  });
});

test('a client that is disposed writes no report', async () => {
  const other = new PipelineClient({
    serverPath,
    environment: pipelineEnvironment(process.env, false),
    log,
    clock: systemClock,
    idleMilliseconds: () => 0,
  });
  other.dispose();
  assert.equal(
    await other.report({ sources: [tracePath], outPath: join(folder, 'y.html'), format: 'html' }),
    undefined,
  );
});

test('reports of a folder, of a newer trace and of one that vanished say so', async () => {
  const named = join(folder, 'folder.fovea');
  await mkdir(named);
  const newer = join(folder, 'newer.fovea');
  await writeTraceFile(newer, smallRun, smallTensors());
  await makeNewer(newer);
  const outPath = join(folder, 'z.html');
  for (const [source, said] of [
    [named, /folder/],
    [newer, /Update Fovea/],
    [join(folder, 'vanished.fovea'), /no such file/],
  ] as const)
    for (const sources of [[source], [tracePath, source]])
      await assert.rejects(client.report({ sources, outPath, format: 'html' }), said);
});

test('a report that is cancelled is no failure, and the process stays for the next one', async () => {
  const abort = new AbortController();
  const outPath = join(folder, 'cancelled.html');
  const written = client.report({ sources: [tracePath], outPath, format: 'html' }, abort.signal);
  abort.abort();
  assert.equal(await written, undefined);
  await assert.rejects(readFile(outPath), /ENOENT/);
  const next = await client.report({ sources: [tracePath], outPath, format: 'html' });
  assert.deepEqual(next?.files, [outPath]);
});
