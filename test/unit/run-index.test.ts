import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { RunIndex } from '../../extension/runs/run-index.ts';
import { writeTraceFile, writeTrafficFile } from '../../trace/file.ts';
import { smallRun, smallTensors } from '../fixtures/small-run.ts';
import { smallLedger, smallTraffic } from '../fixtures/small-traffic.ts';

let root: string;
let folder: string;
let folders: string[];
let index: RunIndex;
const lines: string[] = [];

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'fovea-runs-'));
});
after(() => rm(root, { recursive: true }));
beforeEach(async () => {
  folder = await mkdtemp(join(root, 'runs-'));
  folders = [folder];
  lines.length = 0;
  index = new RunIndex(() => folders, { debug: line => lines.push(line) });
});
afterEach(() => {
  index.dispose();
});

function write(name: string, created: string, digest = 'ab', into = folder): Promise<number> {
  const run = { ...smallRun, id: name, created, image: { ...smallRun.image, digest } };
  return writeTraceFile(join(into, name), run, smallTensors());
}

const names = async (): Promise<string[]> => (await index.list()).map(({ metadata }) => metadata.id);

/** What the next change of the folder leads to; fails when none is told within two seconds. */
function changed(): Promise<void> {
  return new Promise((resolve, reject) => {
    const timeout = setTimeout(() => {
      subscription.dispose();
      reject(new Error('no change was told'));
    }, 2000);
    const subscription = index.onDidChange(() => {
      clearTimeout(timeout);
      subscription.dispose();
      resolve();
    });
  });
}

test('runs are listed newest first, with what the views show of them', async () => {
  await write('old.fovea', '2026-11-20T12:00:00.000Z');
  const bytes = await write('new.fovea', '2026-11-21T12:00:00.000Z');
  await write('middle.fovea', '2026-11-21T11:00:00+02:00');
  assert.deepEqual(await names(), ['new.fovea', 'middle.fovea', 'old.fovea']);
  const [newest] = await index.list();
  assert.equal(newest?.path, join(folder, 'new.fovea'));
  assert.equal(newest.bytes, bytes);
  const { metadata } = newest;
  assert.equal(metadata.question, smallRun.prompt.question);
  assert.deepEqual(metadata.model, { name: 'small', bundled: false });
  assert.deepEqual(metadata.tokens, { text: 5, generated: 2 });
  assert.equal(metadata.totalMilliseconds, 10);
});

test('runs are found by the digest of their image, newest first', async () => {
  await write('a1.fovea', '2026-11-20T12:00:00.000Z', 'aa');
  await write('a2.fovea', '2026-11-21T12:00:00.000Z', 'aa');
  await write('b.fovea', '2026-11-21T12:00:00.000Z', 'bb');
  const ids = async (digest: string): Promise<string[]> =>
    (await index.byImageDigest(digest)).map(({ metadata }) => metadata.id);
  assert.deepEqual(await ids('aa'), ['a2.fovea', 'a1.fovea']);
  assert.deepEqual(await ids('bb'), ['b.fovea']);
  assert.deepEqual(await ids('cc'), []);
});

test('traces of traffic between ranks are listed apart, with what tells them apart', async () => {
  await write('run.fovea', smallRun.created);
  const failing = { name: 'bytes', passed: false, message: '1 byte too many' };
  const second = smallTraffic.runs.map(run => ({ ...run, checks: [...run.checks, failing] }));
  const bytes = await writeTrafficFile(join(folder, 'old.fovea'), smallTraffic, { ledger: smallLedger });
  const newer = { ...smallTraffic, id: 'newer', created: '2031-01-01T00:00:00.000Z', runs: second };
  await writeTrafficFile(join(folder, 'new.fovea'), newer, { ledger: smallLedger });
  assert.deepEqual(await names(), ['run.fovea']);
  const [first, last] = await index.listTraffic();
  assert.deepEqual([first?.id, first?.failed, last?.failed], ['newer', true, false]);
  assert.deepEqual([last?.path, last?.bytes], [join(folder, 'old.fovea'), bytes]);
  assert.equal(last?.workload, smallTraffic.workload.name);
  assert.equal(last.ranks, smallTraffic.workload.sharding.queryRows.length);
  assert.equal(new Set(last.algorithms).size, last.algorithms.length);
  await rm(join(folder, 'new.fovea'));
  index.refresh();
  assert.deepEqual(
    (await index.listTraffic()).map(({ id }) => id),
    [smallTraffic.id],
  );
});

test('files that are cut off, newer, no traces, folders or unfinished are left out', async () => {
  await write('good.fovea', smallRun.created);
  await write('cut.fovea', smallRun.created);
  await truncate(join(folder, 'cut.fovea'), 40);
  await writeFile(join(folder, 'text.fovea'), 'not a trace');
  await writeFile(join(folder, 'empty.fovea'), '');
  await mkdir(join(folder, 'folder.fovea'));
  await copyFile(join(folder, 'good.fovea'), join(folder, 'unfinished.fovea.partial'));
  const newer = (await readFile(join(folder, 'good.fovea')))
    .toString('latin1')
    .replace('\\"schema\\":1', '\\"schema\\":9');
  await writeFile(join(folder, 'newer.fovea'), newer, 'latin1');
  assert.deepEqual(await names(), ['good.fovea']);
  assert.match(lines.join('\n'), /newer\.fovea is left out of the runs: This trace has schema 9/);
  assert.equal(lines.length, 4);
});

test('a broken file is not opened again until it changes', async () => {
  await writeFile(join(folder, 'broken.fovea'), 'not a trace');
  await index.list();
  index.refresh();
  await index.list();
  assert.equal(lines.length, 1);
  await write('broken.fovea', smallRun.created);
  index.refresh();
  assert.deepEqual(await names(), ['broken.fovea']);
});

test('a trace that was not touched is not read again, one that was is', async () => {
  await write('run.fovea', smallRun.created);
  const [first] = await index.list();
  index.refresh();
  assert.equal((await index.list())[0], first);
  await utimes(join(folder, 'run.fovea'), new Date(), new Date(0));
  index.refresh();
  const [again] = await index.list();
  assert.notEqual(again, first);
  assert.deepEqual(again, first);
});

test('a trace that appears, and one that vanishes, is told and seen', async () => {
  assert.deepEqual(await names(), []);
  const appeared = changed();
  await write('run.fovea', smallRun.created);
  await appeared;
  assert.deepEqual(await names(), ['run.fovea']);
  const vanished = changed();
  await rm(join(folder, 'run.fovea'));
  await vanished;
  assert.deepEqual(await names(), []);
});

test('the first run in a folder that did not exist is told and seen', async () => {
  const late = join(folder, 'storage', 'runs');
  folders = [late];
  assert.deepEqual(await names(), []);
  const appeared = changed();
  await mkdir(late, { recursive: true });
  await appeared;
  await write('run.fovea', smallRun.created, 'ab', late);
  assert.deepEqual(await names(), ['run.fovea']);
});

test('a folder that was deleted and made again is watched again', async () => {
  await write('run.fovea', smallRun.created);
  assert.deepEqual(await names(), ['run.fovea']);
  const gone = changed();
  await rm(folder, { recursive: true });
  await gone;
  assert.deepEqual(await names(), []);
  const back = changed();
  await mkdir(folder);
  await back;
  assert.deepEqual(await names(), []);
  const appeared = changed();
  await write('again.fovea', smallRun.created);
  await appeared;
  assert.deepEqual(await names(), ['again.fovea']);
});

test('when the setting names another folder, the next listing shows that one', async () => {
  const other = await mkdtemp(join(root, 'other-'));
  await write('here.fovea', smallRun.created);
  await write('there.fovea', smallRun.created, 'ab', other);
  assert.deepEqual(await names(), ['here.fovea']);
  folders = [other];
  assert.deepEqual(await names(), ['there.fovea']);
  folders = [folder, other, other];
  assert.deepEqual((await names()).sort(), ['here.fovea', 'there.fovea']);
});

test('questions asked at the same time share one reading of the disk', async () => {
  await writeFile(join(folder, 'broken.fovea'), 'not a trace');
  await Promise.all([index.list(), index.byImageDigest('ab'), index.list()]);
  assert.equal(lines.length, 1);
});

test('once disposed, nothing is told', async () => {
  await index.list();
  index.onDidChange(() => {
    throw new Error('told');
  });
  index.dispose();
  await write('run.fovea', smallRun.created);
  await new Promise(resolve => setTimeout(resolve, 200));
});
