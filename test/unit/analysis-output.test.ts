import assert from 'node:assert/strict';
import { accessSync, constants, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { asMemoryError, availableMemory, requireMemory } from '../../native/analysis/memory.ts';
import { prepareOutput, requireSpace, writeOutput } from '../../native/analysis/output-file.ts';
import { reserveTrace } from '../../native/cli/trace-name.ts';
import { FoveaError } from '../../native/errors.ts';
import { bundledModelFolder, isBundled, modelName } from '../../native/models.ts';
import { version } from '../../native/version.ts';
import { smallRun, smallTensors } from '../fixtures/small-run.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-output-'));
});
after(() => rm(folder, { recursive: true, force: true }));

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT';
  }
}

const isDiskError = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof FoveaError, String(error));
  assert.equal(error.code, 'disk');
  assert.match(error.message, message);
  assert.notEqual(error.hint, '');
  return true;
};

test('missing folders are created, and the trace is there afterwards with the size that was told', async () => {
  const path = join(folder, 'a', 'b', 'run.fovea');
  await prepareOutput(path);
  const bytes = await writeOutput(path, smallRun, smallTensors());
  assert.equal((await stat(path)).size, bytes);
  assert.ok(!existsSync(`${path}.partial`));
});

test('a path that cannot be written is refused in words', async () => {
  await writeFile(join(folder, 'file'), '');
  await assert.rejects(prepareOutput(join(folder, 'file', 'run.fovea')), isDiskError(/a part of the path is a file/));
  await mkdir(join(folder, 'folder.fovea'));
  await assert.rejects(prepareOutput(join(folder, 'folder.fovea')), isDiskError(/is a folder/));
  const long = join(folder, `${'x'.repeat(300)}.fovea`);
  await assert.rejects(writeOutput(long, smallRun, smallTensors()), isDiskError(/the name is too long/));
});

test('a trace replaces neither the image it is about, under whatever name, nor what is no file', async () => {
  const image = join(folder, 'photo.png');
  await writeFile(image, 'pixels');
  await symlink(image, join(folder, 'alias.png'));
  for (const [path, about] of [
    [image, image],
    [join(folder, 'alias.png'), image],
    [image, join(folder, 'alias.png')],
  ] as const) {
    await assert.rejects(prepareOutput(path, [join(folder, 'another.png'), about]), isDiskError(/is read too/));
  }
  await prepareOutput(join(folder, 'photo.fovea'), [image]);
  await prepareOutput(join(folder, 'photo.fovea'), [join(folder, 'no such.png')]);
  if (existsSync('/dev/null')) await assert.rejects(prepareOutput('/dev/null'), isDiskError(/no regular file/));
});

test('a trace replaces no frame of a folder that is read, but a trace that lies there', async () => {
  const frames = join(folder, 'frames');
  await mkdir(frames);
  await writeFile(join(frames, '0001.png'), 'pixels');
  await writeFile(join(frames, 'run.fovea'), 'an earlier trace');
  await assert.rejects(prepareOutput(join(frames, '0001.png'), [frames]), isDiskError(/is one of the frames/));
  await prepareOutput(join(frames, 'run.fovea'), [frames]);
  await prepareOutput(join(frames, 'new.png'), [frames]);
});

test('runs that start at the same moment get names of their own, also once one of them is done', async () => {
  const path = join(folder, 'runs', 'scene.fovea');
  const [first, second] = await Promise.all([reserveTrace(path), reserveTrace(path)]);
  assert.deepEqual([first.path, second.path].sort(), [join(folder, 'runs', 'scene-2.fovea'), path]);
  await writeOutput(path, smallRun, smallTensors());
  await Promise.all([first.release(), second.release()]);
  const third = await reserveTrace(path);
  assert.equal(third.path, join(folder, 'runs', 'scene-2.fovea'));
  await third.release();
  assert.deepEqual(await readdir(join(folder, 'runs')), ['scene.fovea']);
});

test(
  'a place without permission is called that, also where the folder is missing',
  { skip: isWritable('/proc/sys') },
  async () => {
    // As on a read-only disk, mkdir here would complain of a missing folder or try for ever.
    await assert.rejects(prepareOutput('/proc/sys/no-folder/run.fovea'), isDiskError(/may not write there|read-only/));
  },
);

test('a trace that cannot fit on its disk is refused before the work', async () => {
  await requireSpace(join(folder, 'run.fovea'), 1);
  const message = /takes 1000000000000 MB or more, and the disk of .*run\.fovea has \d+ MB left/;
  await assert.rejects(requireSpace(join(folder, 'run.fovea'), 1e18), isDiskError(message));
});

test('a full disk is called a full disk', { skip: !existsSync('/dev/full') }, async () => {
  const path = join(folder, 'full.fovea');
  await symlink('/dev/full', `${path}.partial`);
  await assert.rejects(writeOutput(path, smallRun, smallTensors()), isDiskError(/the disk is full/));
});

test('memory that does not suffice is refused with both numbers', () => {
  assert.throws(
    () => {
      requireMemory(28.4e9, 9.1e9, 'This model');
    },
    (error: unknown) =>
      error instanceof FoveaError &&
      error.code === 'out-of-memory' &&
      error.message === 'This model needs about 28.4 GB of memory, and 9.1 GB are free.',
  );
  requireMemory(1, availableMemory(), 'Nothing');
});

test('a failed allocation becomes an error that says so; other errors stay as they are', () => {
  let failure: unknown;
  try {
    new Float64Array(2 ** 40);
  } catch (error) {
    failure = error;
  }
  const told = asMemoryError(failure);
  assert.ok(told instanceof FoveaError && told.code === 'out-of-memory', String(told));
  const other = new TypeError('x');
  assert.equal(asMemoryError(other), other);
});

test('the bundled model is found and recognised through another path', async () => {
  const bundled = bundledModelFolder();
  await symlink(bundled, join(folder, 'alias'));
  assert.ok(isBundled(join(folder, 'alias')));
  assert.ok(!isBundled(folder));
  assert.equal(modelName(bundled), 'fovea-tiny');
  assert.equal(modelName('/hub/models--llava-hf--llava-1.5-7b-hf/snapshots/0a1b2c'), 'llava-hf/llava-1.5-7b-hf');
});

test('the version is that of package.json', () => {
  assert.match(version, /^\d+\.\d+\.\d+/);
});
