/** Which files a run was made with: what is recorded of them, and what is noticed when one byte of one is another. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { Pipeline } from '../../native/analysis/pipeline.ts';
import { openCheckpoint } from '../../native/checkpoint/checkpoint.ts';
import { FileDigests } from '../../native/checkpoint/file-digests.ts';
import { openHighResolution } from '../../native/checkpoint/high-resolution-weights.ts';
import { mismatches, type ComparedRun } from '../../native/report/kinds/compared-run.ts';
import { reproduce, type Reproduction } from '../../native/report/reproduce.ts';
import { runFacts } from '../../native/report/run-facts.ts';
import { openTraceFile } from '../../trace/file.ts';
import { differingFiles, filesOfOtherContent } from '../../trace/model-files.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { validateMetadata } from '../../trace/validation.ts';
import { cautions } from '../../webview/compare/differences.ts';
import { ModelCopy } from '../fixtures/model-copy.ts';
import { smallRun } from '../fixtures/small-run.ts';

const folder = await mkdtemp(path.join(os.tmpdir(), 'fovea-files-'));
const model = ModelCopy.make({ after });
const pipeline = new Pipeline();
after(async () => {
  await pipeline.release();
  await rm(folder, { recursive: true });
});

async function traced(method?: string): Promise<RunMetadata> {
  const { tracePath } = await pipeline.analyze({
    imagePath: path.resolve('media/samples/scene-04.png'),
    question: 'What is in the center?',
    modelFolder: model.folder,
    tracePath: path.join(folder, `${method ?? 'plain'}.fovea`),
    maxNewTokens: 3,
    sampling: { mode: 'greedy' },
    ...(method !== undefined && { method: { name: method } }),
    device: 'cpu',
    threads: 1,
    progressToken: '',
  });
  const trace = await openTraceFile(tracePath);
  await trace.close();
  return trace.metadata;
}

const again = (run: RunMetadata): Promise<Reproduction> =>
  reproduce(run, {
    imagePath: undefined,
    modelFolder: undefined,
    signal: new AbortController().signal,
    progress: () => undefined,
  });

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const [plain, flex, cross] = [await traced(), await traced('flexattention'), await traced('llava-xattn')];
const besides = (run: RunMetadata): string[] =>
  run.model.files!.map(({ name }) => name).filter(name => /^(flexattn|xattn)/.test(name));

test('a trace names every file that its run read, with its SHA-256, and no file of other methods', async () => {
  assert.deepEqual(besides(plain), []);
  assert.deepEqual(besides(flex), ['flexattn.json', 'flexattn.safetensors']);
  assert.deepEqual(besides(cross), ['xattn.json', 'xattn.safetensors']);
  const names = plain.model.files!.map(({ name }) => name);
  for (const name of ['config.json', 'tokenizer.json', 'chat_template.jinja', 'model.safetensors'])
    assert.ok(names.includes(name), name);
  for (const { name, digest } of cross.model.files!)
    assert.equal(digest, sha256(await readFile(path.join(model.folder, name))), name);
  const facts = runFacts(cross, 'cross.fovea').find(({ label }) => label === 'Model files');
  assert.ok(facts?.value.includes(`${cross.model.files!.at(-1)!.digest}  xattn.safetensors`));
});

for (const [name, of] of [
  ['flexattn.safetensors', flex],
  ['xattn.safetensors', cross],
  ['xattn.json', cross],
] as const) {
  test(`one byte of ${name} concerns the runs that read it, and no other`, async () => {
    const restore = model.change(name);
    try {
      const refusal = {
        code: 'checkpoint-missing',
        message: new RegExp(`not the model of the run: the SHA-256 of ${name} is \\w{64}, and was \\w{64}\\.$`),
      };
      await assert.rejects(again(of), refusal);
      for (const other of [plain, flex, cross].filter(run => run !== of)) {
        const { tokensAgree, numbersAgree, changes } = await again(other);
        assert.deepEqual([tokensAgree, numbersAgree, changes], [true, true, []]);
      }
    } finally {
      restore();
    }
    assert.ok((await again(of)).tokensAgree);
  });
}

test('one byte of the weights themselves, whose header stays, is told as well', async t => {
  const other = ModelCopy.make(t);
  other.change('model.safetensors');
  assert.equal((await openCheckpoint(other.folder)).digest, plain.model.digest);
  const run = { ...plain, model: { ...plain.model, folder: other.folder } };
  await assert.rejects(again(run), {
    message: /the SHA-256 of model\.safetensors is [0-9a-f]{64}, and was [0-9a-f]{64}\.$/,
  });
});

test('a trace of an earlier version is opened and run again, and what it cannot tell is said', async () => {
  const { files: _files, ...earlier } = cross.model;
  const run: RunMetadata = { ...cross, model: earlier };
  validateMetadata(run);
  const restore = model.change('xattn.safetensors');
  try {
    const { tokensAgree, changes } = await again(run);
    assert.equal(tokensAgree, true);
    assert.match(changes.join(), /contents of the model’s files: perhaps/);
  } finally {
    restore();
  }
  const damaged = { ...run, model: { ...earlier, files: [{ name: 'xattn.safetensors' }] } };
  assert.throws(() => {
    validateMetadata(damaged);
  }, /model\.files\[0\]\.digest/);
});

test('weights that were replaced are loaded anew, though their header is the same', async t => {
  const other = ModelCopy.make(t);
  const id = async (): Promise<string> => (await openHighResolution(await openCheckpoint(other.folder))).id;
  const before = await id();
  other.change('flexattn.safetensors');
  assert.notEqual(await id(), before);
});

test('two runs are compared by the files that both read', () => {
  const withFiles = (files: Record<string, string>): RunMetadata => ({
    ...smallRun,
    model: { ...smallRun.model, files: Object.entries(files).map(([name, digest]) => ({ name, digest })) },
  });
  const a = withFiles({ 'model.safetensors': 'm', 'xattn.safetensors': 'x' });
  const b = withFiles({ 'model.safetensors': 'm', 'flexattn.safetensors': 'f' });
  const c = withFiles({ 'model.safetensors': 'n', 'xattn.safetensors': 'x' });
  assert.deepEqual(filesOfOtherContent(a.model, b.model), []);
  assert.deepEqual(filesOfOtherContent(a.model, c.model), ['model.safetensors']);
  assert.deepEqual(filesOfOtherContent(a.model, smallRun.model), []);
  assert.deepEqual(cautions(a, b), []);
  assert.deepEqual(cautions(a, c), [
    'The model was another one for A and for B: model.safetensors changed between the runs.',
  ]);
  const compared = [a, b, c].map((metadata, index) => ({ letter: 'ABC'[index], content: { metadata } }) as ComparedRun);
  assert.match(
    mismatches(compared).join(),
    /^The model of C has other contents than that of A .*\(model\.safetensors\)/,
  );
  assert.deepEqual(differingFiles(a.model.files!, b.model.files!), [
    { name: 'flexattn.safetensors', now: 'f' },
    { name: 'xattn.safetensors', before: 'x' },
  ]);
});

test('digests are remembered until a file changes, also one of the same size and time', async () => {
  const file = { name: 'weights', path: path.join(folder, 'weights') };
  await writeFile(file.path, 'before');
  const { atime, mtime } = await stat(file.path);
  const digests = new FileDigests();
  const [first] = await digests.of([file]);
  assert.deepEqual(first, { name: 'weights', digest: sha256(Buffer.from('before')) });
  // No thread is needed, so that nobody can cancel it.
  assert.deepEqual(await digests.of([file], AbortSignal.abort()), [first]);
  await writeFile(file.path, 'afterw');
  await utimes(file.path, atime, mtime);
  assert.equal((await digests.of([file]))[0]!.digest, sha256(Buffer.from('afterw')));
  await assert.rejects(new FileDigests().of([file], AbortSignal.abort()), { code: 'cancelled' });
  await rm(file.path);
  await assert.rejects(digests.of([file]), { code: 'checkpoint-malformed', message: /weights/ });
});
