/** Questions of an evaluation that are asked again: what is compared, what is told, what is refused. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { exitCodes } from '../../native/cli/exit-codes.ts';
import { bundledQuestionSet } from '../../native/evaluation/bundled-set.ts';
import type { EvaluationReproduction } from '../../native/report/reproduce-evaluation.ts';
import { compareAnswers, reproduceEvaluation } from '../../native/report/reproduce-evaluation.ts';
import type { SavedEvaluation } from '../../native/report/saved-evaluation.ts';
import { readSavedReport } from '../../native/report/saved-report.ts';
import { writeReport } from '../../native/report/write-report.ts';
import type { EvaluationOutcome } from '../../trace/evaluation/evaluation.ts';
import { smallEvaluation } from '../fixtures/small-evaluation.ts';

const main = fileURLToPath(new URL('../../native/cli/main.ts', import.meta.url));
const tsx = import.meta.resolve('tsx');

let folder = '';
const made = (name: string): string => join(folder, name);
/** Three questions of the bundled set, without pruning and with one method. */
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-reproduce-'));
  const bundled = bundledQuestionSet()!;
  const rows = (await readFile(bundled, 'utf8'))
    .split('\n', 3)
    .map(line => JSON.parse(line) as { readonly image: string });
  for (const { image } of rows) await cp(join(dirname(bundled), image), made(basename(image)));
  const lines = rows.map(row => JSON.stringify({ ...row, image: basename(row.image) }));
  await writeFile(made('three.jsonl'), `${lines.join('\n')}\n`);
  const methods = ['--methods', 'fastv', '--budgets', '64', '--max-new-tokens', '8'];
  const run = await fovea('eval', made('three.jsonl'), ...methods, '--out', folder);
  assert.equal(run.code, 0, run.stderr);
  for (const format of ['html', 'json'] as const)
    await writeReport({ sources: [made('evaluation.fovea')], outPath: made(`three.${format}`), format });
});
after(() => rm(folder, { recursive: true, force: true }));

function fovea(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise(resolve => {
    execFile(process.execPath, ['--import', tsx, main, ...words], { cwd: folder }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

async function savedIn(name: string): Promise<SavedEvaluation> {
  const saved = await readSavedReport(made(name));
  assert.ok(saved.kind === 'evaluation');
  return saved.evaluation;
}

test('trace, HTML and JSON hold the same questions and answers', async () => {
  const [trace, page, numbers] = [
    await savedIn('evaluation.fovea'),
    await savedIn('three.html'),
    await savedIn('three.json'),
  ];
  assert.deepEqual(page, trace);
  assert.deepEqual([numbers.questions, numbers.metadata.set], [trace.questions, trace.metadata.set]);
  const compact = (saved: SavedEvaluation): unknown =>
    saved.outcomes.map(row => row.map(one => one && [one.answer, one.entering, one.leaving]));
  assert.deepEqual(compact(numbers), compact(trace));
});

test('the first questions are asked again under every condition, and the limit is said', async () => {
  const { code, stdout, stderr } = await fovea('reproduce', made('three.html'), '--limit', '2');
  assert.equal(code, exitCodes.ok, stderr);
  assert.match(stdout, /^The first 2 of 3 questions \(--limit\) were asked again under 2 conditions\.\n/);
  assert.match(stdout, /4 of 4 answers agree\.\n$/);
});

test('an answer that is another one is told with its question and condition, with exit code 1', async () => {
  const report = JSON.parse(await readFile(made('three.json'), 'utf8')) as {
    questions: { id: string }[];
    outcomes: { answer: string }[][];
  };
  const was = report.outcomes[1]![2]!.answer;
  report.outcomes[1]![2]!.answer = 'something else';
  await writeFile(made('changed.json'), JSON.stringify(report));
  const { code, stdout } = await fovea('reproduce', made('changed.json'), '--json');
  assert.equal(code, exitCodes.unexpected);
  const { agree, compared, differences } = JSON.parse(stdout) as EvaluationReproduction;
  assert.deepEqual([agree, compared, differences.length], [false, 6, 1]);
  const [{ condition, question, before: then, now }] = differences as [EvaluationReproduction['differences'][number]];
  assert.deepEqual([condition, question, then.answer], ['fastv@64', report.questions[2]!.id, 'something else']);
  assert.equal('answer' in now && now.answer, was);
});

const options = {
  limit: 20,
  setPath: undefined,
  modelFolder: undefined,
  signal: new AbortController().signal,
  progress: () => undefined,
  startAnswerer: () => assert.fail('nothing is to be asked'),
};

test('a changed set, model, version or code is told, all at once, before anything is asked', async () => {
  const saved = await savedIn('evaluation.fovea');
  const { metadata } = saved;
  const refused = (change: Partial<SavedEvaluation['metadata']>, message: RegExp): Promise<void> =>
    assert.rejects(reproduceEvaluation({ ...saved, metadata: { ...metadata, ...change } }, options), {
      code: 'usage',
      message,
      hint: /evaluate anew: fovea eval .*three\.jsonl/,
    });
  const both = { model: { ...metadata.model, digest: 'm' }, set: { ...metadata.set, digest: 's' } };
  await refused(both, /the question set or one of its images \(.*was s\); the model \(.*was m\)\./);
  const files = metadata.model.files!.map(file => (file.name === 'tokenizer.json' ? { ...file, digest: 't' } : file));
  await refused(
    { model: { ...metadata.model, files } },
    /the model \([^;]*the SHA-256 of tokenizer\.json is \w*, and was t\)/,
  );
  await refused({ producer: { name: 'fovea', version: '0.0.1' } }, /Fovea \(version .*, was 0\.0\.1\)/);
  await refused({ producer: { ...metadata.producer, code: 'other' } }, /the code of Fovea .*was other/);
  await writeFile(made('mine.mjs'), 'export default {};');
  const own = { ...metadata.conditions[1]!, id: 'mine.mjs#00000000@64', method: made('mine.mjs') };
  await refused({ conditions: [metadata.conditions[0]!, own] }, /the text of the method .*mine\.mjs/);
  const digest = createHash('sha256').update('export default {};').digest('hex');
  const same = { ...own, id: `mine.mjs#${digest.slice(0, 8)}@64` };
  await refused({ conditions: [metadata.conditions[0]!, same], model: both.model }, /changed: the model \([^;]*\)\.$/);
  await writeFile(made('three.jsonl'), `${await readFile(made('three.jsonl'), 'utf8')}\n`);
  await refused({}, /the question set or one of its images/);
});

test('sets and models that an untrusted report names on another computer are not opened', async () => {
  const saved = await savedIn('evaluation.fovea');
  const set = { ...saved.metadata.set, path: '//files.example/share/set.jsonl' };
  const attempt = reproduceEvaluation({ ...saved, metadata: { ...saved.metadata, set } }, options);
  await assert.rejects(attempt, { message: /another computer/, hint: /--set FILE/ });
});

test('answers are compared with those of the same question and condition; tokens count, times do not', () => {
  const [question] = smallEvaluation.questions;
  const results = smallEvaluation.metadata.conditions.map(({ id }, row) => {
    const outcome = smallEvaluation.outcomes[row]![0]!;
    return { question: question!.id, condition: id, outcome: { ...outcome, ms: { vision: 9, prefill: 9, decode: 9 } } };
  });
  const compare = (change: Partial<EvaluationOutcome>): number => {
    const [first, ...others] = results;
    const changed = [{ ...first!, outcome: { ...first!.outcome, ...change } }, ...others];
    return compareAnswers(smallEvaluation, [question!], changed).differences.length;
  };
  assert.equal(compare({}), 0);
  assert.equal(compare({ answer: 'no such answer' }), 1);
  assert.equal(compare({ entering: results[0]!.outcome.entering + 0.5 }), 1);
  const { outcome: _outcome, ...place } = results[0]!;
  const problem = { ...place, problem: { code: 'image-unreadable', message: 'gone' } };
  const { compared, differences } = compareAnswers(smallEvaluation, [question!], [problem]);
  assert.deepEqual([compared, differences[0]?.now], [1, { problem: 'gone' }]);
});

test('Cancel says how many answers were compared until then', async () => {
  const bundled = await savedIn('evaluation.fovea');
  const [condition] = bundled.metadata.conditions;
  const saved = { ...bundled, metadata: { ...bundled.metadata, conditions: [condition!] } };
  const abort = new AbortController();
  const answer = (): Promise<EvaluationOutcome> => {
    abort.abort();
    return Promise.resolve({ ...smallEvaluation.outcomes[0]![0]!, ...saved.outcomes[0]![0]! });
  };
  const startAnswerer = () => ({ answer, close: () => Promise.resolve() });
  await writeFile(made('three.jsonl'), (await readFile(made('three.jsonl'), 'utf8')).replace(/\n+$/, '\n'));
  const run = reproduceEvaluation(saved, { ...options, signal: abort.signal, startAnswerer });
  await assert.rejects(run, { code: 'cancelled', message: 'Cancelled when 1 of 3 answers was compared; 1 agreed.' });
});
