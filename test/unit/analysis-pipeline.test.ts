import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Pipeline } from '../../native/analysis/pipeline.ts';
import { checkTrace } from '../../native/cli/trace-check.ts';
import { FoveaError, type FoveaErrorCode } from '../../native/errors.ts';
import { bundledModelFolder } from '../../native/models.ts';
import type { AnalyzeRequest, StageProgress } from '../../native/rpc.ts';
import { openTraceFile } from '../../trace/file.ts';
import { linkCheckpointWithTokenizer } from '../fixtures/letter-tokenizer.ts';

const image = fileURLToPath(new URL('../../media/samples/scene-04.png', import.meta.url));
const variants = fileURLToPath(new URL('../golden/variants/', import.meta.url));
const pipeline = new Pipeline();
let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-analysis-'));
});
after(async () => {
  await pipeline.release();
  await rm(folder, { recursive: true, force: true });
});

let runs = 0;
function request(overrides: Partial<AnalyzeRequest> = {}): AnalyzeRequest {
  return {
    imagePath: image,
    question: 'Describe this picture.',
    modelFolder: bundledModelFolder(),
    tracePath: join(folder, `run-${++runs}.fovea`),
    maxNewTokens: 32,
    sampling: { mode: 'greedy' },
    device: 'cpu',
    threads: 2,
    progressToken: '',
    ...overrides,
  };
}

const isError = (code: FoveaErrorCode, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof FoveaError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

test('a run tells its stages in order, each up to its end, and the answer while it grows', async () => {
  const seen: StageProgress[] = [];
  const { answer, ms, metadata } = await pipeline.analyze(request(), { progress: progress => seen.push(progress) });
  const stages = seen.map(progress => progress.stage).filter((stage, index, all) => stage !== all[index - 1]);
  assert.deepEqual(stages, ['image', 'load', 'vision', 'prefill', 'decode', 'write']);
  for (const stage of ['load', 'vision', 'prefill', 'write']) {
    const last = seen.filter(progress => progress.stage === stage).at(-1)!;
    assert.equal(last.done, last.total, stage);
  }
  const decoding = seen.filter(progress => progress.stage === 'decode');
  assert.equal(decoding.length, metadata.tokens.length - metadata.promptTokens);
  assert.equal(decoding.at(-1)!.text, answer);
  assert.ok(ms.load > 0 && ms.vision > 0 && ms.prefill > 0 && ms.decode > 0);
  assert.ok(ms.total >= ms.load + ms.vision + ms.prefill + ms.decode);
});

test('cancelled before the first token, a run leaves nothing behind', async () => {
  for (const stage of ['image', 'vision', 'prefill'] as const) {
    const abort = new AbortController();
    const asked = request();
    let layers = 0;
    const progress = (now: StageProgress): void => {
      if (now.stage === stage && now.done > 0) layers++;
      if (layers === 1) abort.abort();
    };
    await assert.rejects(
      pipeline.analyze(asked, { progress, signal: abort.signal }),
      isError('cancelled', /cancelled/),
    );
    assert.equal(layers, 1, `${stage} went on after the abort`);
    assert.ok(!existsSync(asked.tracePath) && !existsSync(`${asked.tracePath}.partial`));
  }
});

test('cancelled during the answer, a run keeps what it has as a valid trace', async () => {
  const abort = new AbortController();
  const progress = ({ stage, done }: StageProgress): void => {
    if (stage === 'decode' && done === 3) abort.abort();
  };
  const { state, tracePath, answer } = await pipeline.analyze(request(), { progress, signal: abort.signal });
  assert.equal(state, 'cancelled');
  assert.equal(answer, 'Four moose');
  const trace = await openTraceFile(tracePath);
  const { status, tokens, promptTokens, generation } = trace.metadata;
  assert.deepEqual(status, { state: 'cancelled', after: 'token 3' });
  assert.equal(generation.stop, 'cancelled');
  assert.equal(tokens.length - promptTokens, 3);
  assert.ok((await checkTrace(trace)).ok);
  await trace.close();
});

test('an answer ends at the limit, and a limit of one token is an answer', async () => {
  for (const maxNewTokens of [1, 3]) {
    const { metadata } = await pipeline.analyze(request({ maxNewTokens }));
    assert.equal(metadata.tokens.length - metadata.promptTokens, maxNewTokens);
    assert.equal(metadata.generation.stop, 'length');
  }
});

test('untraced, a run writes nothing, leaves out the vision layer that nobody reads, and answers the same', async () => {
  const asked = request();
  const seen: StageProgress[] = [];
  const untraced = await pipeline.analyze(asked, { traced: false, progress: progress => seen.push(progress) });
  assert.equal(
    untraced.answer,
    'Four moose, a green apple in the center and a yellow sign that says "LOVE" on a brown background.',
  );
  assert.ok(!existsSync(asked.tracePath));
  assert.equal(untraced.traceBytes, 0);
  assert.equal(seen.find(progress => progress.stage === 'vision')!.total, 7);
});

test('what is drawn depends on the seed alone', async () => {
  const draw = async (seed: number): Promise<number[]> => {
    const sampling = { mode: 'sample', temperature: 3, topP: 1, seed } as const;
    const { metadata } = await pipeline.analyze(request({ sampling, maxNewTokens: 8 }), { traced: false });
    return metadata.tokens.map(token => token.id);
  };
  const first = await draw(5);
  assert.deepEqual(await draw(5), first);
  assert.notDeepEqual(await draw(6), first);
});

test('weights are loaded once, and again when a file of them changed or they were released', async () => {
  const own = new Pipeline();
  const model = join(folder, 'copy');
  await cp(bundledModelFolder(), model, { recursive: true, filter: source => !/training|flexattn/.test(source) });
  const run = () => own.analyze(request({ modelFolder: model, maxNewTokens: 1 }), { traced: false });
  assert.ok((await run()).ms.load > 0);
  assert.equal((await run()).ms.load, 0);
  assert.equal(own.model.loads, 1);
  assert.equal(own.model.folder, model);
  await utimes(join(model, 'model.safetensors'), 1, 1);
  await run();
  assert.equal(own.model.loads, 2);
  await own.release();
  assert.equal(own.model.folder, undefined);
  await run();
  assert.equal(own.model.loads, 3);
  await own.release();
});

test('a run that cannot be done is refused before weights are loaded', async () => {
  const own = new Pipeline();
  const refused = (overrides: Partial<AnalyzeRequest>, code: FoveaErrorCode, message: RegExp) =>
    assert.rejects(own.analyze(request(overrides)), isError(code, message));
  await refused({ imagePath: join(folder, 'none.png') }, 'image-unreadable', /There is no image/);
  await refused({ question: '' }, 'question-invalid', /empty/);
  await refused({ modelFolder: join(folder, 'none') }, 'checkpoint-missing', /./);
  await refused({ maxNewTokens: 0 }, 'usage', /longest answer/);
  await refused({ threads: -1 }, 'usage', /threads/);
  await refused({ device: 'abacus' as 'cpu' }, 'usage', /no device "abacus"/);
  await refused({ maxNewTokens: 5000 }, 'question-too-long', /the model has 2048/);
  await writeFile(join(folder, 'plain'), '');
  await refused({ tracePath: join(folder, 'plain', 'x.fovea') }, 'disk', /a part of the path is a file/);
  assert.equal(own.model.loads, 0);
});

const checkpoints = readdirSync(variants, { withFileTypes: true }).filter(
  entry => entry.isDirectory() && entry.name !== 'images',
);
test('every odd checkpoint gives a trace whose probabilities add up, with the visual tokens that its config implies', async t => {
  assert.ok(checkpoints.length >= 19);
  for (const { name } of checkpoints) {
    const model = join(folder, name);
    await mkdir(model);
    linkCheckpointWithTokenizer(join(variants, name), model);
    const own = new Pipeline();
    const { tracePath, metadata } = await own.analyze(
      request({ modelFolder: model, maxNewTokens: 4, question: 'What?' }),
    );
    await own.release();
    const trace = await openTraceFile(tracePath);
    const numbers = await checkTrace(trace);
    await trace.close();
    assert.ok(numbers.ok, `${name}: ${JSON.stringify(numbers.checks)}`);
    assert.equal(metadata.visual.leading, name === 'full-select' ? 1 : 0, name);
    assert.equal(metadata.model.bundled, false);
    // Four patches of 7 pixels cover 28 of this variant's 30.
    const covered = name === 'uneven-patches' ? 28 / 30 : 1;
    assert.equal(metadata.image.crop.width, metadata.image.height * covered, name);
    t.diagnostic(`${name}: ${metadata.visual.count} visual tokens, ${numbers.checks[1]!.rows} rows of heads`);
  }
});
