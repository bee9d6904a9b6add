import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import sharp from 'sharp';
import { FoveaError } from '../../native/errors.ts';
import { bundledQuestionSet, isBundledSet } from '../../native/evaluation/bundled-set.ts';
import { planConditions } from '../../native/evaluation/conditions.ts';
import { isCorrect } from '../../native/evaluation/match-answer.ts';
import { parseQuestions, readQuestionSet } from '../../native/evaluation/question-set.ts';
import { smallTextKind } from '../../trace/evaluation/evaluation.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-set-'));
});
after(() => rm(folder, { recursive: true, force: true }));

test('the bundled set has 500 questions and 100 on small text or more, whose images are there at full size', async () => {
  const path = bundledQuestionSet();
  assert.ok(path !== undefined && isBundledSet(path));
  const { questions, problems } = await readQuestionSet(path);
  assert.deepEqual(problems, []);
  assert.ok(questions.length >= 500);
  assert.ok(questions.filter(({ kind }) => kind === smallTextKind).length >= 100);
  const first = await sharp(join(dirname(path), questions[0]!.image)).metadata();
  assert.deepEqual([first.width, first.height], [1008, 1008]);
  const kinds = new Set(questions.map(({ kind }) => kind));
  assert.equal(kinds.size, 15);
  assert.equal(new Set(questions.slice(0, 60).map(({ kind }) => kind)).size, 15, 'a beginning holds all kinds');
});

test('bad lines, repeated ids and missing images are told by line, and the rest is used', async () => {
  const lines = [
    '{"image": "a.png", "question": "What?", "answer": "a"}',
    'not JSON',
    '',
    '{"image": "b.png", "question": "What?", "answer": "b"}',
    '{"image": "a.png", "question": "", "answer": "c"}',
    '{"image": "a.png", "question": "Why?", "answer": 3}',
    '{"id": "x", "image": "a.png", "question": "Who?", "answer": ["d", "e"], "kind": "people"}',
    '{"id": "x", "image": "a.png", "question": "Who else?", "answer": "f"}',
    '[1]',
    '{"image": "a.png", "question": "Cut',
  ];
  await writeFile(join(folder, 'a.png'), 'x');
  const path = join(folder, 'set.jsonl');
  await writeFile(path, lines.join('\r\n'));
  const { questions, problems } = await readQuestionSet(path);
  assert.deepEqual(
    questions.map(({ id, line, answers, kind }) => ({ id, line, answers, kind })),
    [
      { id: 'line 1', line: 1, answers: ['a'], kind: 'all' },
      { id: 'x', line: 7, answers: ['d', 'e'], kind: 'people' },
    ],
  );
  assert.deepEqual(
    problems.map(({ line }) => line),
    [2, 4, 5, 6, 8, 9, 10],
  );
  assert.match(problems[1]!.message, /b\.png is not there/);
});

test('a set of which nothing can be asked, or that is not there, is an error that shows the way', async () => {
  const path = join(folder, 'nothing.jsonl');
  await writeFile(path, 'x\n');
  const refused = (error: unknown): boolean => error instanceof FoveaError && error.code === 'question-set';
  await assert.rejects(readQuestionSet(path), refused);
  await assert.rejects(readQuestionSet(join(folder, 'absent.jsonl')), refused);
  await assert.rejects(readQuestionSet(folder), refused);
});

test('the digest of a set follows its lines and the sizes of its images', async () => {
  const path = join(folder, 'digest.jsonl');
  await writeFile(path, '{"image": "c.png", "question": "What?", "answer": "a"}\n');
  await writeFile(join(folder, 'c.png'), 'x');
  const before = (await readQuestionSet(path)).digest;
  assert.equal((await readQuestionSet(path)).digest, before);
  await writeFile(join(folder, 'c.png'), 'xy');
  assert.notEqual((await readQuestionSet(path)).digest, before);
});

test('an answer is right when it has the same characters, space around it left out', () => {
  assert.ok(isCorrect(' a cat\n', ['a dog', 'a cat']));
  assert.ok(!isCorrect('A cat', ['a cat']));
  assert.ok(!isCorrect('a cat.', ['a cat']));
});

const known = [
  { name: 'none', title: 'No pruning', variants: ['code'], budget: undefined },
  { name: 'mustdrop', title: 'MustDrop', variants: ['code', 'paper'], budget: 'leaving' },
  { name: 'flex', title: 'FlexAttention', variants: ['paper'], budget: undefined },
].map(({ budget, ...method }) => ({ ...method, ...(budget && { budget }) })) as Parameters<typeof planConditions>[1];

test('conditions: no pruning first, budgets from large to small, none for methods without, all tokens left out', () => {
  const order = { methods: ['mustdrop', 'mustdrop:paper', 'flex', 'none'], budgets: [64, 576, 128, 64] };
  assert.deepEqual(
    planConditions(order, known, 576).map(({ id, title }) => `${id}: ${title}`),
    [
      'none: No pruning',
      'mustdrop@128: MustDrop',
      'mustdrop@64: MustDrop',
      'mustdrop:paper@128: MustDrop (paper)',
      'mustdrop:paper@64: MustDrop (paper)',
      'flex: FlexAttention',
    ],
  );
  const free = planConditions(
    { methods: ['mustdrop'], budgets: [], parameters: { mustdrop: { b: 2, a: 'x' } } },
    known,
    576,
  );
  assert.equal(free[1]!.id, 'mustdrop[a=x b=2]');
  const inline = planConditions({ methods: ['flex[by=random k=1,2]', 'flex[by=all]'], budgets: [64] }, known, 576);
  assert.deepEqual(
    inline.slice(1).map(({ id, title, parameters }) => [id, title, parameters]),
    [
      ['flex[by=random k=1,2]', 'FlexAttention, by=random k=1,2', { by: 'random', k: '1,2' }],
      ['flex[by=all]', 'FlexAttention, by=all', { by: 'all' }],
    ],
  );
});

test('two methods that run together are one condition, with the budget of the first and parameters of both', () => {
  const pair = planConditions({ methods: ['mustdrop+flex[flex.k=2]'], budgets: [64] }, known, 576)[1]!;
  assert.deepEqual(
    [pair.id, pair.method, pair.title, pair.budget, pair.counted, pair.parameters],
    [
      'mustdrop+flex[flex.k=2]@64',
      'mustdrop+flex',
      'MustDrop + FlexAttention, flex.k=2',
      64,
      'leaving',
      { 'flex.k': '2' },
    ],
  );
  assert.throws(() => planConditions({ methods: ['mustdrop+other'], budgets: [] }, known, 576), /no method/);
});

test('unknown methods, variants and owners of parameters are named', () => {
  const plan = (methods: string[], parameters = {}) => planConditions({ methods, budgets: [], parameters }, known, 576);
  assert.throws(() => plan(['must']), /no method "must"/);
  assert.throws(() => plan(['mustdrop:draft']), /no variant "draft"/);
  assert.throws(() => plan(['mustdrop[a]']), /no method "mustdrop\[a\]"/);
  assert.throws(() => plan(['mustdrop'], { flex: { a: 1 } }), /"flex", which does not run/);
});

test('lines are read alike with any line ends, and a byte order mark is no fault', () => {
  const line = '{"image": "a.png", "question": "What?", "answer": "a"}';
  assert.equal(parseQuestions(`\uFEFF${line}\n${line.replace('What', 'Who')}`, '/').questions.length, 2);
});
