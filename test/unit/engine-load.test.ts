import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openCheckpoint } from '../../native/checkpoint/checkpoint.ts';
import { loadOnnxEngine } from '../../native/engine/onnx/onnx-engine.ts';
import type { Device } from '../../native/rpc.ts';

const checkpoint = await openCheckpoint(fileURLToPath(new URL('../golden/variants/gqa', import.meta.url)));
const sessions = 4 + 2 * checkpoint.config.vision.layers + checkpoint.config.decoder.layers;

test('progress counts every session, and the event loop turns before each', async t => {
  const seen: number[] = [];
  let turns = 0;
  const count = (): void => {
    turns++;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  t.after(() => {
    clearImmediate(timer);
  });
  const engine = await loadOnnxEngine(checkpoint, { device: 'cpu', threads: 1 }, (ready, total) => {
    assert.equal(total, sessions);
    seen.push(ready);
  });
  await engine.release();
  assert.deepEqual(
    seen,
    Array.from({ length: sessions }, (_, i) => i + 1),
  );
  assert.ok(turns >= sessions, `${turns} turns`);
});

test('an abort stops loading at the next session', async () => {
  const controller = new AbortController();
  let ready = 0;
  const loading = loadOnnxEngine(
    checkpoint,
    { device: 'cpu', threads: 1 },
    count => {
      ready = count;
      if (count === 3) controller.abort();
    },
    controller.signal,
  );
  await assert.rejects(loading, { name: 'FoveaError', code: 'cancelled' });
  assert.equal(ready, 3);
});

test('a device that this machine lacks is refused by name, with "cpu" as the way out', async () => {
  const foreign: Device = process.platform === 'darwin' ? 'dml' : 'coreml';
  const loading = loadOnnxEngine(checkpoint, { device: foreign, threads: 1 });
  await assert.rejects(loading, { code: 'device-unavailable', message: new RegExp(foreign), hint: /"cpu"/ });
});

test('threads: a number is kept, 0 becomes at least one and at most eight', async () => {
  for (const asked of [0, 3]) {
    const engine = await loadOnnxEngine(checkpoint, { device: 'cpu', threads: asked });
    const { threads, device, name, version } = engine.description;
    await engine.release();
    assert.ok(asked === 0 ? threads >= 1 && threads <= 8 : threads === asked);
    assert.deepEqual([device, name], ['cpu', 'ONNX Runtime']);
    assert.match(version, /^\d+\.\d+/);
  }
});

test('a cache larger than any memory is refused as out-of-memory, with advice', async t => {
  const engine = await loadOnnxEngine(checkpoint, { device: 'cpu', threads: 1 });
  t.after(() => engine.release());
  const step = { positions: Int32Array.of(0), sequenceLength: 1, cache: engine.createCache(2 ** 45) };
  await assert.rejects(engine.runDecoderLayer(0, await engine.embedTokens([1]), step), {
    name: 'FoveaError',
    code: 'out-of-memory',
    hint: /smaller model/,
  });
});

test('inputs of the wrong size are refused before they reach a session', async t => {
  const engine = await loadOnnxEngine(checkpoint, { device: 'cpu', threads: 1 });
  t.after(() => engine.release());
  const mismatch = { code: 'shape-mismatch' };
  await assert.rejects(engine.embedPatches(new Float32Array(7)), mismatch);
  await assert.rejects(engine.embedTokens([1, 96]), mismatch);
  await assert.rejects(engine.embedTokens([-1]), mismatch);
  const hidden = await engine.embedTokens([1, 2]);
  await assert.rejects(engine.project([hidden]), mismatch);
  await assert.rejects(engine.logits(hidden, 2), mismatch);
  const step = { sequenceLength: 2, cache: engine.createCache(2) };
  await assert.rejects(engine.runDecoderLayer(0, hidden, { ...step, positions: Int32Array.of(0) }), mismatch);
  const attention = {
    rows: Int32Array.of(1),
    visual: { first: 0, count: 1 },
    groups: new Float32Array(3),
    groupCount: 1,
  };
  const positions = Int32Array.of(0, 1);
  await assert.rejects(engine.runDecoderLayer(0, hidden, { ...step, positions, attention }), mismatch);
  assert.equal(step.cache.length(0), 0, 'a refused step leaves the cache as it was');
});
