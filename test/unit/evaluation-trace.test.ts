import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { TraceError } from '../../trace/errors.ts';
import { openEvaluationFile, openTraceFile, traceFileKind, writeEvaluationFile } from '../../trace/file.ts';
import { metadataKey } from '../../trace/schema.ts';
import { encodeSafetensors } from '../../trace/safetensors.ts';
import { encodeEvaluation } from '../../trace/evaluation/writer.ts';
import { fetchingEvaluation, smallEvaluation } from '../fixtures/small-evaluation.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-evaluation-'));
});
after(() => rm(folder, { recursive: true, force: true }));

test('an evaluation comes back from its file as it was written, missing results included', async () => {
  const path = join(folder, 'evaluation.fovea');
  await writeEvaluationFile(path, smallEvaluation);
  assert.equal(await traceFileKind(path), 'evaluation');
  const reader = await openEvaluationFile(path);
  try {
    assert.deepEqual(await reader.evaluation(), smallEvaluation);
  } finally {
    await reader.close();
  }
});

test('the share of high-resolution tokens comes back where there were any, and takes no room elsewhere', async () => {
  const path = join(folder, 'fetching.fovea');
  await writeEvaluationFile(path, fetchingEvaluation);
  const reader = await openEvaluationFile(path);
  try {
    assert.deepEqual(reader.tensors['evaluation.high_resolution_share']?.shape, [3, 6]);
    assert.deepEqual(await reader.evaluation(), fetchingEvaluation);
  } finally {
    await reader.close();
  }
  const plain = join(folder, 'plain.fovea');
  await writeEvaluationFile(plain, smallEvaluation);
  const without = await openEvaluationFile(plain);
  assert.equal(without.tensors['evaluation.high_resolution_share'], undefined);
  await without.close();
});

test('what reads runs of a model says what the file is instead', async () => {
  const path = join(folder, 'kind.fovea');
  await writeEvaluationFile(path, smallEvaluation);
  await assert.rejects(openTraceFile(path), (error: unknown) => {
    assert.ok(error instanceof TraceError);
    assert.equal(error.code, 'other-kind');
    assert.match(error.message, /evaluation of methods/);
    return true;
  });
});

test('damaged descriptions and contents are refused with the part at fault', async () => {
  const { metadata } = smallEvaluation;
  const refused = (change: object, field: RegExp): void => {
    assert.throws(
      () => encodeEvaluation({ ...smallEvaluation, metadata: { ...metadata, ...change } }),
      (error: unknown) => error instanceof TraceError && field.test(error.message),
    );
  };
  refused({ conditions: [metadata.conditions[0], metadata.conditions[0]] }, /conditions\[1\]\.id/);
  refused({ questions: 5 }, /evaluation\.outcomes|shape/);
  refused({ schema: 99 }, /Update Fovea/);
  refused({ set: { ...metadata.set, digest: 3 } }, /set\.digest/);

  const path = join(folder, 'bad.fovea');
  const text = new TextEncoder().encode('[1, 2');
  const parts = encodeSafetensors(
    {
      'evaluation.outcomes': { dtype: 'F64', shape: [3, 6, 10], data: new Uint8Array(3 * 6 * 10 * 8) },
      'evaluation.questions': { dtype: 'U8', shape: [text.length], data: text },
      'evaluation.answers': { dtype: 'U8', shape: [text.length], data: text },
    },
    { [metadataKey]: JSON.stringify(metadata) },
  );
  await writeFile(path, Buffer.concat(parts));
  const reader = await openEvaluationFile(path);
  await assert.rejects(reader.evaluation(), /"evaluation.questions" is not valid JSON/);
  await reader.close();
});
