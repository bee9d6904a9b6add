import assert from 'node:assert/strict';
import { appendFile, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FoveaError } from '../../native/errors.ts';
import type { Answerer } from '../../native/evaluation/answerer.ts';
import { codeDigest } from '../../native/evaluation/code-digest.ts';
import { evaluate, type EvaluationEnd } from '../../native/evaluation/evaluate.ts';
import { parseResults } from '../../native/evaluation/results-file.ts';
import { sourceDigest } from '../../native/evaluation/source-digest.ts';
import { bundledModelFolder } from '../../native/models.ts';
import type { AnswerRequest, EvaluateRequest, EvaluationProgress } from '../../native/rpc.ts';
import { openEvaluationFile } from '../../trace/file.ts';
import type { EvaluationOutcome } from '../../trace/evaluation/evaluation.ts';
import { ModelCopy } from '../fixtures/model-copy.ts';

const folders: string[] = [];
let folder = '';
let setPath = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-evaluation-'));
  folders.push(folder);
  setPath = join(folder, 'set.jsonl');
  await writeFile(join(folder, 'a.png'), 'x');
  const line = (id: number): string =>
    JSON.stringify({ id: `q${id}`, image: 'a.png', question: `What is ${id}?`, answer: String(id) });
  await writeFile(setPath, `${[0, 1, 2].map(line).join('\n')}\nnonsense\n`);
});
after(() => Promise.all(folders.map(each => rm(each, { recursive: true, force: true }))));

/** Says what the question asks for, and notes what it was asked. */
class Recorder implements Answerer {
  readonly asked: string[] = [];
  closed = false;

  constructor(private readonly before: (request: AnswerRequest, asked: number) => void = () => undefined) {}

  answer(request: AnswerRequest): Promise<EvaluationOutcome> {
    const { condition, question, answers } = request;
    this.before(request, this.asked.length);
    this.asked.push(`${question.replace(/\D/g, '')} ${condition.method}@${condition.budget ?? 'all'}`);
    const tokens = condition.budget ?? 576;
    return Promise.resolve({
      answer: answers[0]!,
      correct: condition.budget !== 64,
      entering: tokens,
      leaving: tokens,
      macs: { prefill: tokens, decode: 1 },
      kvBytes: tokens,
      ms: { vision: 1, prefill: 2, decode: 3 },
      answerTokens: 2,
    });
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

const methods = [
  { name: 'random', title: 'Random', variants: ['code'], budget: 'entering' },
  { name: 'flexattention', title: 'FlexAttention', variants: ['code'] },
] as const;

interface Session {
  readonly end: EvaluationEnd;
  readonly progress: readonly EvaluationProgress[];
  readonly recorder: Recorder;
}

async function session(
  overrides: Partial<EvaluateRequest> = {},
  recorder = new Recorder(),
  signal?: AbortSignal,
): Promise<Session> {
  const progress: EvaluationProgress[] = [];
  const request: EvaluateRequest = {
    setPath,
    outFolder: join(folder, 'out'),
    methods: ['random'],
    budgets: [64, 128],
    jobs: 1,
    modelFolder: bundledModelFolder(),
    maxNewTokens: 8,
    device: 'cpu',
    threads: 1,
    progressToken: '',
    ...overrides,
  };
  const end = await evaluate(request, {
    methods,
    signal,
    progress: value => progress.push(value),
    startAnswerers: () => [recorder],
  });
  return { end, progress, recorder };
}

test('every question is asked under every condition, in the same order every time, and bad lines are told', async () => {
  const { end, progress, recorder } = await session();
  assert.deepEqual(recorder.asked.slice(0, 4), ['0 none@all', '0 random@128', '0 random@64', '1 none@all']);
  assert.equal(recorder.asked.length, 9);
  assert.ok(recorder.closed);
  assert.deepEqual([end.state, end.done, end.total], ['complete', 9, 9]);
  assert.deepEqual(end.problems, [
    { line: 4, message: 'This is not valid JSON. Each line holds one object with image, question and answer.' },
  ]);
  assert.deepEqual([progress[0]!.done, progress.at(-1)!.done, progress.at(-1)!.remaining], [0, 9, 0]);
  const reader = await openEvaluationFile(end.tracePath);
  const read = await reader.evaluation();
  await reader.close();
  assert.deepEqual(read, end.evaluation);
  assert.equal(read.metadata.status.state, 'complete');
  const csv = (await readFile(join(folder, 'out', 'summary.csv'), 'utf8')).trim().split('\r\n');
  assert.equal(csv.length, 1 + 3);
  assert.match(csv[3]!, /^random@64,random,code,64,all,3,0,0,/);
});

test('after a kill in the middle of a line it goes on with what is missing', async () => {
  await session({ limit: 1 });
  const results = join(folder, 'out', 'results.jsonl');
  await appendFile(results, '{"question":"q1","condition":"none","outcome":{"answ');
  const { recorder, end } = await session();
  assert.deepEqual(recorder.asked, [
    '1 none@all',
    '1 random@128',
    '1 random@64',
    '2 none@all',
    '2 random@128',
    '2 random@64',
  ]);
  assert.equal(end.state, 'complete');
  const text = await readFile(results, 'utf8');
  assert.equal(parseResults(text).results.length, 9);
  for (const line of text.trim().split('\n')) JSON.parse(line);
});

test('more budgets ask only what is new; fewer questions or budgets ask nothing', async () => {
  await session({ budgets: [64] });
  const more = await session({ budgets: [64, 32] });
  assert.deepEqual(more.recorder.asked, ['0 random@32', '1 random@32', '2 random@32']);
  const fewer = await session({ budgets: [32], limit: 2 });
  assert.deepEqual(fewer.recorder.asked, []);
  assert.deepEqual([fewer.end.done, fewer.end.total], [4, 4]);
});

test('results of another set, length or device are moved aside, not mixed and not lost', async () => {
  await session();
  const { end, recorder } = await session({ maxNewTokens: 9 });
  assert.equal(recorder.asked.length, 9);
  assert.deepEqual(end.startedAnew?.changed, ['maxNewTokens']);
  const kept = await readFile(end.startedAnew.movedTo, 'utf8');
  assert.equal(parseResults(kept).results.length, 9);
  await appendFile(setPath, '{"image": "a.png", "question": "What is 7?", "answer": "7"}\n');
  const changed = await session({ maxNewTokens: 9 });
  assert.deepEqual(changed.end.startedAnew?.changed, ['set']);
  assert.equal((await readdir(join(folder, 'out'))).filter(name => name.startsWith('results')).length, 3);
});

test('weights that only one method reads concern the evaluations that ask it, also where it was added later', async t => {
  const model = ModelCopy.make(t);
  const ask = (...asked: string[]): Promise<Session> =>
    session({ modelFolder: model.folder, methods: asked, budgets: [64], limit: 1 });
  assert.deepEqual((await ask('random')).recorder.asked, ['0 none@all', '0 random@64']);
  model.change('flexattn.safetensors');
  assert.deepEqual((await ask('random')).recorder.asked, []);
  const added = await ask('random', 'flexattention');
  assert.deepEqual(added.recorder.asked, ['0 flexattention@all']);
  const files = added.end.evaluation.metadata.model.files!.map(({ name }) => name);
  assert.ok(files.includes('flexattn.safetensors') && !files.includes('xattn.safetensors'));
  model.change('flexattn.safetensors');
  assert.deepEqual((await ask('random')).recorder.asked, []);
  const anew = await ask('random', 'flexattention');
  assert.deepEqual(anew.end.startedAnew?.changed, ['flexattn.safetensors']);
  assert.equal(anew.recorder.asked.length, 3);
});

test('a file of the model itself starts anew, the tokenizer, too', async t => {
  const model = ModelCopy.make(t);
  await session({ modelFolder: model.folder });
  model.change('tokenizer.json');
  const { end } = await session({ modelFolder: model.folder });
  assert.deepEqual(end.startedAnew?.changed, ['model']);
});

test('answers of other code are moved aside, though the version is the same', async () => {
  await session();
  const path = join(folder, 'out', 'results.jsonl');
  const text = await readFile(path, 'utf8');
  assert.ok(text.includes(codeDigest()));
  await writeFile(path, text.replace(codeDigest(), '0123abcd'));
  const { end, recorder } = await session();
  assert.deepEqual(end.startedAnew?.changed, ['code']);
  assert.equal(recorder.asked.length, 9);
});

test('the digest of code follows what answers are made by, and bundles carry that of their sources', async () => {
  const native = fileURLToPath(new URL('../../native', import.meta.url));
  assert.equal(codeDigest(), sourceDigest(native));
  const copy = join(folder, 'native');
  await cp(native, copy, { recursive: true });
  assert.equal(sourceDigest(copy), codeDigest());
  await appendFile(join(copy, 'cli/main.ts'), '// other\n');
  assert.equal(sourceDigest(copy), codeDigest());
  await appendFile(join(copy, 'methods/fastv.ts'), '// other\n');
  assert.notEqual(sourceDigest(copy), codeDigest());
  for (const bundle of ['server', 'cli']) {
    const text = await readFile(fileURLToPath(new URL(`../../dist/${bundle}.cjs`, import.meta.url)), 'utf8');
    assert.ok(text.includes(codeDigest()), `dist/${bundle}.cjs is of other sources, or does not say`);
  }
});

test('a question that cannot be asked is told with its line, and the rest still runs', async () => {
  const failing = new Recorder(({ question, condition }) => {
    if (question.includes('1')) throw new FoveaError('image-unreadable', 'The image is damaged.');
    if (question.includes('2') && condition.budget === 64) throw new FoveaError('method-failed', 'It threw.');
  });
  const { end } = await session({}, failing);
  assert.equal(end.state, 'complete');
  assert.deepEqual(
    end.problems.map(({ line, message, condition }) => [line, condition, message.slice(0, 12)]),
    [
      [4, undefined, 'This is not '],
      [2, undefined, 'The image is'],
      [3, 'random@64', 'It threw.'],
    ],
  );
  const all = end.summary.conditions[2]!.groups['all']!;
  assert.deepEqual([all.answered, all.paired?.pairs], [1, 1]);
});

test('a failure that concerns everything ends the evaluation; what was answered stays', async () => {
  const broken = new Recorder((_, asked) => {
    if (asked === 4) throw new FoveaError('out-of-memory', 'No memory.');
  });
  await assert.rejects(session({}, broken), /No memory/);
  assert.ok(broken.closed);
  const { recorder } = await session();
  assert.equal(recorder.asked.length, 5);
});

test('cancelled, it sums up what there is and goes on later', async () => {
  const abort = new AbortController();
  const stopping = new Recorder((_, asked) => {
    if (asked !== 5) return;
    abort.abort();
    throw new FoveaError('cancelled', 'Cancelled.');
  });
  const { end } = await session({}, stopping, abort.signal);
  assert.deepEqual([end.state, end.done, end.total], ['cancelled', 5, 9]);
  assert.equal(end.evaluation.metadata.status.state, 'partial');
  assert.equal((await session()).recorder.asked.length, 4);
});

test('impossible orders are refused before anything is written', async () => {
  await assert.rejects(session({ budgets: [0] }), /A budget is 0/);
  await assert.rejects(session({ jobs: 0 }), /number of jobs/);
  await assert.rejects(session({ methods: ['other'] }), /no method "other"/);
  await assert.rejects(readdir(join(folder, 'out')), /ENOENT/);
});

test('a module of the user’s is asked like any method, and anew when it has been edited', async () => {
  const file = join(folder, 'mine.mjs');
  const write = (more: string): Promise<void> =>
    writeFile(file, `export default { name: 'mine', title: 'Mine', ${more} start: () => ({}) };`);
  await write("budget: 'entering',");
  const order = { methods: [`${file}[count=2]`], budgets: [64] };
  const { end, recorder } = await session(order);
  const [, first] = end.evaluation.metadata.conditions;
  assert.match(first!.id, /^mine\.mjs#[0-9a-f]{8}\[count=2\]@64$/);
  assert.deepEqual([first!.method, first!.title, first!.budget], [file, 'Mine, count=2', 64]);
  assert.deepEqual(recorder.asked.slice(0, 2), ['0 none@all', `0 ${file}@64`]);
  await write('');
  const again = await session(order);
  assert.deepEqual(
    again.recorder.asked,
    ['0', '1', '2'].map(question => `${question} ${file}@all`),
  );
});
