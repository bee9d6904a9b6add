import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import {
  durationText,
  evaluationFolderName,
  parseBudgets,
  parseLimit,
} from '../../extension/evaluation/evaluation-answers.ts';
import { listEvaluations } from '../../extension/evaluation/evaluation-list.ts';
import { evaluatedQuestion } from '../../extension/evaluation/evaluated-question.ts';
import { parseToHost } from '../../extension/editor/panel-messages.ts';
import { writeEvaluationFile } from '../../trace/file.ts';
import { smallEvaluation } from '../fixtures/small-evaluation.ts';

test('budgets are whole numbers, each once, from large to small', () => {
  assert.deepEqual(parseBudgets(' 64, 192;128 64'), [192, 128, 64]);
  for (const text of ['', ' ', '64, x', '0', '-3', '1.5']) assert.equal(parseBudgets(text), undefined, text);
});

test('no limit is all questions', () => {
  assert.equal(parseLimit(' '), 'all');
  assert.equal(parseLimit('20'), 20);
  for (const text of ['0', 'some', '2.5', '-1']) assert.equal(parseLimit(text), undefined, text);
});

test('a set always has the same folder, and two sets of one name have two', () => {
  const name = evaluationFolderName('/a/my questions.jsonl');
  assert.match(name, /^evaluation-my-questions-[0-9a-f]{6}$/);
  assert.equal(evaluationFolderName('/a/my questions.jsonl'), name);
  assert.notEqual(evaluationFolderName('/b/my questions.jsonl'), name);
});

test('a duration says what a person needs', () => {
  assert.deepEqual([40_000, 720_000, 12_000_000].map(durationText), ['40 s', '12 min', '3 h 20 min']);
});

test('a question of an evaluation becomes a run with its method, and indices outside become nothing', () => {
  const asked = evaluatedQuestion(smallEvaluation, 3, 1)!;
  assert.equal(asked.imagePath, path.resolve('/sets/images/1.png'));
  assert.equal(asked.question, 'Which is 3?');
  assert.deepEqual(asked.method, { name: 'random', variant: 'code', budget: 64, parameters: {} });
  assert.equal(evaluatedQuestion(smallEvaluation, 6, 1), undefined);
  assert.equal(evaluatedQuestion(smallEvaluation, 0, 3), undefined);
});

test('only messages of the contract pass', () => {
  assert.deepEqual(parseToHost({ type: 'askQuestion', question: 2, condition: 0, more: 1 }), {
    type: 'askQuestion',
    question: 2,
    condition: 0,
  });
  assert.equal(parseToHost({ type: 'askQuestion', question: -1, condition: 0 }), undefined);
  assert.equal(parseToHost({ type: 'askQuestion', question: '2', condition: 0 }), undefined);
});

test('evaluations are listed with what tells them apart, and what is none is left out', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'fovea-evaluations-'));
  try {
    await mkdir(path.join(folder, 'evaluation-one'));
    await mkdir(path.join(folder, 'evaluation-damaged'));
    await mkdir(path.join(folder, 'evaluation-empty'));
    await writeEvaluationFile(path.join(folder, 'evaluation-one', 'evaluation.fovea'), smallEvaluation);
    await writeFile(path.join(folder, 'evaluation-damaged', 'evaluation.fovea'), 'no trace');
    const [listed, ...others] = await listEvaluations([folder, folder, path.join(folder, 'missing')]);
    assert.deepEqual(others, []);
    assert.deepEqual(
      [listed?.set, listed?.questions, listed?.methods, listed?.state],
      ['set.jsonl', 6, ['Random', 'CLS top-k'], 'partial'],
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
