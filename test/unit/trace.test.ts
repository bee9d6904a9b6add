import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { TraceError } from '../../trace/errors.ts';
import { openTraceFile, partialExtension, writeTraceFile } from '../../trace/file.ts';
import { fromHalf } from '../../trace/half.ts';
import { TraceReader, type ByteSource } from '../../trace/reader.ts';
import { encodeTrace } from '../../trace/writer.ts';
import { smallRun, smallTensors } from '../fixtures/small-run.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-trace-'));
});
after(() => rm(folder, { recursive: true }));

/** A file in memory that remembers what was read of it. */
function memorySource(
  bytes: Uint8Array,
): ByteSource & { readonly reads: [number, number][]; readonly closed: boolean } {
  const reads: [number, number][] = [];
  let closed = false;
  return {
    size: bytes.length,
    reads,
    get closed() {
      return closed;
    },
    read(offset, length) {
      reads.push([offset, length]);
      return Promise.resolve(bytes.slice(offset, offset + length));
    },
    close() {
      closed = true;
      return Promise.resolve();
    },
  };
}

const encoded = (): Uint8Array => new Uint8Array(Buffer.concat(encodeTrace(smallRun, smallTensors())));

test('what is written is read back: metadata, shapes and every byte', async () => {
  const path = join(folder, 'run.fovea');
  const tensors = smallTensors();
  const bytes = await writeTraceFile(path, smallRun, tensors);
  assert.equal((await readFile(path)).length, bytes);
  const reader = await openTraceFile(path);
  assert.deepEqual(reader.metadata, smallRun);
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    const slice = await reader.slice(name as keyof typeof tensors);
    assert.deepEqual({ dtype: slice.dtype, shape: slice.shape }, { dtype, shape }, name);
    assert.deepEqual(Buffer.from(slice.data), Buffer.from(data), name);
  }
  await reader.close();
});

test('a slice holds the hyper-rectangle that was asked for, on every axis', async () => {
  const reader = await TraceReader.open(memorySource(encoded()));
  const slice = await reader.slice('decoder.attention_to_image', [
    [1, 3],
    [1, 2],
    [0, 2],
    [2, 5],
  ]);
  assert.deepEqual(slice.shape, [2, 1, 2, 3]);
  const values = fromHalf(new Uint16Array(slice.data.buffer));
  const expected = [];
  for (const row of [1, 2]) {
    for (const head of [0, 1]) {
      for (const patch of [2, 3, 4]) expected.push((((row * 2 + 1) * 2 + head) * 6 + patch) / 1024);
    }
  }
  assert.deepEqual([...values], expected);
  assert.equal(
    slice.data.buffer.byteLength,
    slice.data.byteLength,
    'the buffer is tight, so posting it copies nothing else',
  );
});

test('opening reads the header only, and a slice reads only its own bytes', async () => {
  const source = memorySource(encoded());
  const reader = await TraceReader.open(source);
  const header = source.reads.reduce((sum, [, length]) => sum + length, 0);
  const firstTensor = encodeTrace(smallRun, smallTensors())
    .slice(0, 2)
    .reduce((sum, part) => sum + part.length, 0);
  assert.equal(header, firstTensor);
  source.reads.length = 0;
  await reader.slice('decoder.attention_to_image', [[2, 3]]);
  assert.deepEqual(
    source.reads.map(([, length]) => length),
    [2 * 2 * 6 * 2],
    'one row is one read',
  );
});

test('ranges outside a tensor, and empty ones, are answered plainly', async () => {
  const reader = await TraceReader.open(memorySource(encoded()));
  const none = await reader.slice('decoder.attention_to_image', [[1, 1]]);
  assert.deepEqual([none.shape, none.data.length], [[0, 2, 2, 6], 0]);
  for (const ranges of [
    [[0, 9]],
    [[-1, 1]],
    [[2, 1]],
    [[0.5, 1]],
    [
      [0, 1],
      [0, 1],
      [0, 1],
      [0, 1],
      [0, 1],
    ],
  ] as const) {
    await assert.rejects(reader.slice('decoder.attention_to_image', ranges), /is outside "decoder.attention_to_image"/);
  }
});

test('an optional tensor may be absent, and asking for it says so', async () => {
  const { 'vision.rollout': _, ...rest } = smallTensors();
  const source = memorySource(new Uint8Array(Buffer.concat(encodeTrace(smallRun, rest))));
  const reader = await TraceReader.open(source);
  assert.equal(reader.tensors['vision.rollout'], undefined);
  await assert.rejects(reader.slice('vision.rollout'), { code: 'missing-tensor', tensor: 'vision.rollout' });
});

test('a failed write leaves neither the trace nor a partial file, and an older trace stays', async () => {
  const path = join(folder, 'kept.fovea');
  await writeTraceFile(path, smallRun, smallTensors());
  const old = await readFile(path);
  const { 'image.input': _, ...incomplete } = smallTensors();
  await assert.rejects(writeTraceFile(path, smallRun, incomplete), { code: 'missing-tensor', tensor: 'image.input' });
  assert.deepEqual(await readFile(path), old);
  await assert.rejects(writeTraceFile(join(folder, 'no/such/folder.fovea'), smallRun, smallTensors()), {
    code: 'ENOENT',
  });
  assert.deepEqual(
    (await readdir(folder)).filter(name => name.endsWith(partialExtension)),
    [],
  );
});

test('a file cut short after it was opened is reported, not read as zeros', async () => {
  const path = join(folder, 'cut.fovea');
  await writeTraceFile(path, smallRun, smallTensors());
  const reader = await openTraceFile(path);
  await writeFile(path, (await readFile(path)).subarray(0, -20));
  await assert.rejects(reader.slice('image.input'), /ended at byte/);
  await reader.close();
});

test('a source is closed when its file turns out to be no trace', async () => {
  const source = memorySource(new Uint8Array(4));
  await assert.rejects(TraceReader.open(source), TraceError);
  assert.equal(source.closed, true);
});
