/** The table that `fovea eval --markdown` prints for docs/methods.md. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evaluationMarkdown } from '../../native/cli/eval-markdown.ts';
import { parseEvalOptions } from '../../native/cli/eval-options.ts';
import type { EvaluationEnd } from '../../native/evaluation/evaluate.ts';
import type { Evaluation } from '../../trace/evaluation/evaluation.ts';
import { summarizeEvaluation } from '../../trace/evaluation/summary.ts';
import { fetchingEvaluation } from '../fixtures/small-evaluation.ts';

const endOf = (evaluation: Evaluation, changes: Partial<EvaluationEnd> = {}): EvaluationEnd => ({
  evaluation,
  summary: summarizeEvaluation(evaluation),
  tracePath: 'evaluation.fovea',
  files: [],
  state: 'complete',
  questions: 6,
  conditions: 3,
  done: 17,
  total: 18,
  problems: [],
  ...changes,
});

test('small text stands apart; shares, costs and times are those of all questions', () => {
  const lines = evaluationMarkdown(endOf(fetchingEvaluation)).split('\n');
  assert.deepEqual(lines.slice(0, 7), [
    'set.jsonl, 6 questions, small, cpu (none), 1 threads.',
    '',
    '| run | all but small text (5) | small text (1) | HR tokens | E_in | GMAC | prefill | vision to answer |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    '| No pruning | 80.0 (38–96) | 0.0 (0–79) | – | 576 | 0.58 | 147 ms, 1.0 × | 217 ms, 1.0 × |',
    '| Random, 64 tokens | 40.0 (12–77), −40.0 | 0.0 (0–79), +0.0 | 12.5 % | 64 | 0.07 | 19 ms, 0.1 × | 89 ms, 0.4 × |',
    '| CLS top-k, 64 tokens | 75.0 (30–95) of 4, −25.0 | 100.0 (21–100), +100.0 | – | 64 | 0.07 | 18 ms, 0.1 × | 88 ms, 0.4 × |',
  ]);
});

test('without small text there is one column; what is unfinished is said; names are no markup', () => {
  const plain: Evaluation = {
    ...fetchingEvaluation,
    metadata: {
      ...fetchingEvaluation.metadata,
      set: { ...fetchingEvaluation.metadata.set, name: 'a|b\n<c>' },
      engine: { ...fetchingEvaluation.metadata.engine, jobs: 2 },
    },
    questions: fetchingEvaluation.questions.map(question => ({ ...question, kind: 'one' })),
  };
  const text = evaluationMarkdown(endOf(plain, { state: 'cancelled' }));
  assert.match(text, /^a\\\|b &lt;c>, .* Unfinished: 17 of 18 runs\.\n\n\| run \| all questions \(6\) \| HR tokens \|/);
  assert.match(text, /2 runs at the same time slowed each other down/);
});

test('Markdown and JSON exclude each other', () => {
  assert.equal(parseEvalOptions(['set.jsonl', '--markdown'])?.markdown, true);
  assert.throws(() => parseEvalOptions(['set.jsonl', '--markdown', '--json']), { code: 'usage' });
});
