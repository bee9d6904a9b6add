import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { freeName, isExpired, keptDays, RunTrash, sweepTrash } from '../../extension/runs/view/run-trash.ts';

let folder: string;
let runs: string;
let systemTrash: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'fovea-trash-'));
  runs = path.join(folder, 'runs');
  systemTrash = path.join(folder, 'system-trash');
  await Promise.all([mkdir(runs), mkdir(systemTrash)]);
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const own = (): string => path.join(folder, 'storage', 'trash');
const ownEntries = async (): Promise<string[]> => readdir(own()).catch(() => []);

/** Moves like the trash of a desktop does. */
const withSystemTrash = (): RunTrash =>
  new RunTrash(own(), file => rename(file, path.join(systemTrash, path.basename(file))));
const withoutSystemTrash = (): RunTrash => new RunTrash(own(), () => Promise.reject(new Error('no trash here')));

async function makeRun(name: string, content = name): Promise<string> {
  const file = path.join(runs, name);
  await writeFile(file, content);
  await utimes(file, 1_700_000_000, 1_700_000_000);
  return file;
}

for (const [host, make] of [
  ['a trash of its own', withSystemTrash],
  ['no trash', withoutSystemTrash],
] as const) {
  test(`on a machine with ${host}, several runs are deleted and come back with their content and time`, async () => {
    const files = [await makeRun('a.fovea'), await makeRun('b.fovea')];
    const trash = make();
    const { deleted, failed } = await trash.delete(files);
    assert.deepEqual(failed, []);
    assert.deepEqual(await readdir(runs), []);
    const { restored } = await trash.restore(deleted);
    assert.deepEqual(restored, files);
    assert.equal(await readFile(files[1]!, 'utf8'), 'b.fovea');
    assert.equal((await stat(files[0]!)).mtimeMs, 1_700_000_000_000);
    assert.deepEqual(await ownEntries(), []);
  });
}

test("what the system's trash holds takes no second place on the disk, and none once Undo is gone", async () => {
  const file = await makeRun('a.fovea');
  const trash = withSystemTrash();
  const { deleted } = await trash.delete([file]);
  assert.equal((await stat(path.join(systemTrash, 'a.fovea'))).nlink, 2);
  await trash.settle(deleted);
  assert.deepEqual(await ownEntries(), []);
  assert.equal((await stat(path.join(systemTrash, 'a.fovea'))).nlink, 1);
});

test('without a trash of the machine, a run is still kept after Undo is gone, and for its days only', async () => {
  const trash = withoutSystemTrash();
  const { deleted } = await trash.delete([await makeRun('a.fovea')]);
  await trash.settle(deleted);
  await sweepTrash(own(), Date.now() + (keptDays - 1) * 86_400_000);
  assert.equal(await readFile(deleted[0]!.copy, 'utf8'), 'a.fovea');
  await sweepTrash(own(), Date.now() + (keptDays + 1) * 86_400_000);
  assert.deepEqual(await ownEntries(), []);
});

test('a trash that says it worked and did nothing does not count', async () => {
  const file = await makeRun('a.fovea');
  const { deleted } = await new RunTrash(own(), () => Promise.resolve()).delete([file]);
  assert.deepEqual(await readdir(runs), []);
  assert.equal(deleted[0]?.inSystemTrash, false);
});

test('a run whose name was taken meanwhile comes back beside the new one', async () => {
  const file = await makeRun('a.fovea', 'old');
  const trash = withoutSystemTrash();
  const { deleted } = await trash.delete([file]);
  await makeRun('a.fovea', 'new');
  const { restored } = await trash.restore(deleted);
  assert.deepEqual(restored, [path.join(runs, 'a-2.fovea')]);
  assert.equal(await readFile(file, 'utf8'), 'new');
  assert.equal(await readFile(restored[0]!, 'utf8'), 'old');
});

test('a run whose folder was removed meanwhile comes back with its folder', async () => {
  const file = await makeRun('a.fovea');
  const trash = withSystemTrash();
  const { deleted } = await trash.delete([file]);
  await rm(runs, { recursive: true });
  assert.deepEqual((await trash.restore(deleted)).restored, [file]);
});

test('a run that vanished is left out, one that cannot be deleted is named, and the others are deleted', async () => {
  const good = await makeRun('good.fovea');
  const stuck = await makeRun('stuck.fovea');
  // A file where the storage should be: nothing can be kept.
  const blocked = path.join(folder, 'blocked');
  await writeFile(blocked, '');
  const { deleted, failed } = await new RunTrash(blocked, () => Promise.resolve()).delete([
    stuck,
    path.join(runs, 'gone.fovea'),
  ]);
  assert.deepEqual(deleted, []);
  assert.deepEqual(
    failed.map(each => each.path),
    [stuck],
  );
  assert.equal(await readFile(stuck, 'utf8'), 'stuck.fovea');
  const second = await withoutSystemTrash().delete([path.join(runs, 'gone.fovea'), good, good]);
  assert.deepEqual(
    second.deleted.map(each => each.path),
    [good],
  );
  assert.deepEqual(second.failed, []);
});

test('Undo that finds its copy gone says so and brings the others back', async () => {
  const files = [await makeRun('a.fovea'), await makeRun('b.fovea')];
  const trash = withoutSystemTrash();
  const { deleted } = await trash.delete(files);
  await rm(deleted[0]!.copy);
  const { restored, failed } = await trash.restore(deleted);
  assert.deepEqual(restored, [files[1]]);
  assert.deepEqual(
    failed.map(each => each.path),
    [files[0]],
  );
});

test('only entries that are old and ours are swept', () => {
  const day = 86_400_000;
  assert.equal(isExpired('undo-1000-ab12', 1000 + day - 1), false);
  assert.equal(isExpired('undo-1000-ab12', 1001 + day), true);
  assert.equal(isExpired('kept-1000-ab12', 1001 + day), false);
  assert.equal(isExpired('kept-1000-ab12', 1001 + keptDays * day), true);
  for (const other of ['notes', 'undo-x-ab', 'undo-1000', '.DS_Store']) assert.equal(isExpired(other, Infinity), false);
});

test('a free name counts up', () => {
  const file = path.join('runs', 'a.fovea');
  assert.equal(freeName(file, new Set()), file);
  assert.equal(freeName(file, new Set(['a.fovea', 'a-2.fovea'])), path.join('runs', 'a-3.fovea'));
});
