import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { writeReport } from '../../native/report/write-report.ts';
import type { Evaluation } from '../../trace/evaluation/evaluation.ts';
import { writeEvaluationFile } from '../../trace/file.ts';
import { smallEvaluation } from '../fixtures/small-evaluation.ts';

let folder = '';
let trace = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-evaluation-report-'));
  trace = join(folder, 'evaluation.fovea');
  const hostile = '<script>alert(1)</script>';
  const [first, ...questions] = smallEvaluation.questions;
  const evaluation: Evaluation = {
    ...smallEvaluation,
    metadata: { ...smallEvaluation.metadata, set: { ...smallEvaluation.metadata.set, name: `${hostile}.jsonl` } },
    questions: [{ ...first!, question: hostile }, ...questions],
  };
  await writeEvaluationFile(trace, evaluation);
});
after(() => rm(folder, { recursive: true, force: true }));

async function report(format: 'html' | 'md' | 'json' | 'csv'): Promise<string> {
  const outPath = join(folder, `report.${format}`);
  await writeReport({ sources: [trace], outPath, format });
  return readFile(outPath, 'utf8');
}

test('the page has charts and tables of all groups, and nothing of a set becomes markup', async () => {
  const page = await report('html');
  const still = page.replace(/<script>[^]*?<\/script>/g, '');
  assert.equal(still.match(/<svg /g)?.length, 3, 'all, small text, the rest');
  for (const text of ['CLS top-k', 'Random', 'No pruning', 'What pruning loses', 'Line', 'McNemar', '66.7']) {
    assert.ok(still.includes(text) || still.includes(text.toLowerCase()), text);
  }
  assert.ok(!page.includes('<script>alert'));
  assert.match(
    page,
    /fovea eval \/sets\/set\.jsonl --methods=random,cls-top-k --budgets=64 --limit=6 --model=small --max-new-tokens=8/,
  );
});

test('Markdown has its charts beside it', async () => {
  const text = await report('md');
  const pictures = await readdir(join(folder, 'report-images'));
  assert.deepEqual(pictures.sort(), ['accuracy-all.svg', 'accuracy-other.svg', 'accuracy-small-text.svg']);
  assert.ok(text.includes('accuracy-all.svg'));
});

test('numbers are complete: every result in JSON, every condition and group in CSV', async () => {
  const numbers = JSON.parse(await report('json')) as {
    results: { condition: { id: string }; groups: Record<string, { accuracy: number }> }[];
    outcomes: unknown[][];
  };
  assert.equal(numbers.results[0]!.groups['all']!.accuracy, 4 / 6);
  assert.deepEqual(
    numbers.outcomes.map(row => row.length),
    [6, 6, 6],
  );
  const csv = (await report('csv')).trim().split('\r\n');
  assert.equal(csv.length, 1 + 3 * 5);
  const answers = await readFile(join(folder, 'report-answers.csv'), 'utf8');
  assert.equal(answers.trim().split('\r\n').length, 1 + 17, 'one result is missing');
});
