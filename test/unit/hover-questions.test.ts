import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import sharp from 'sharp';
import { resultLines } from '../../extension/hover/hover-card.ts';
import { questionLine } from '../../extension/hover/question-line.ts';
import { QuestionResults } from '../../extension/hover/question-results.ts';
import { readRunDetails } from '../../extension/hover/run-details.ts';
import { fatesPicture, type TokenFates } from '../../extension/hover/token-fates.ts';
import type { Evaluation, EvaluationOutcome } from '../../trace/evaluation/evaluation.ts';
import { writeEvaluationFile, writeTraceFile } from '../../trace/file.ts';
import { smallRun, smallTensors } from '../fixtures/small-run.ts';

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-questions-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const translate = (text: string, ...values: string[]): string =>
  text.replace(/\{(\d)\}/g, (_, index: string) => values[Number(index)] ?? '');

test('a line of a question set is an object with image and question, in JSON languages only', () => {
  const line = '  {"id": 7, "image": "a b.png", "question": "What \\"is\\" it?", "answer": "x"},';
  assert.deepEqual(questionLine(line, 'jsonl'), { id: '7', image: 'a b.png', question: 'What "is" it?' });
  assert.equal(questionLine(line, 'markdown'), undefined);
  for (const other of [
    '',
    '[]',
    '{',
    '{"image": 1, "question": "x"}',
    '{"image": "a.png"}',
    '{"image": "a.png", "question": " "}',
    'null',
  ])
    assert.equal(questionLine(other, 'jsonl'), undefined, other);
  assert.equal(questionLine(`{"image": "a.png", "question": "${'x'.repeat(100_000)}"}`, 'jsonl'), undefined);
});

const outcome = (answer: string, correct: boolean): EvaluationOutcome => ({
  answer,
  correct,
  entering: 6,
  leaving: 6,
  macs: { prefill: 1, decode: 1 },
  kvBytes: 1,
  ms: { vision: 1, prefill: 1, decode: 1 },
  answerTokens: 1,
});

function evaluation(set: string, created: string, second: EvaluationOutcome | undefined): Evaluation {
  return {
    metadata: {
      kind: 'evaluation',
      schema: 1,
      id: 'e',
      created,
      producer: { name: 'fovea', version: '0' },
      status: { state: 'complete' },
      model: { name: 'm', folder: 'm', bundled: false, digest: '00', visualTokens: 6, decoderLayers: 2 },
      engine: { device: 'cpu', hardware: 'none', threads: 1, jobs: 1 },
      set: { name: 'questions.jsonl', path: set, digest: '00', size: 2, bundled: false },
      questions: 2,
      conditions: [
        { id: 'none', method: 'none', title: 'No pruning', parameters: {} },
        { id: 'mustdrop:code@64', method: 'mustdrop', title: 'MustDrop', variant: 'code', budget: 64, parameters: {} },
      ],
      maxNewTokens: 8,
      matching: 'exact',
      macFormula: 'F3',
      problems: [],
    },
    questions: [
      { id: 'q1', image: 'a.png', question: 'What?', answers: ['two'], kind: 'all' },
      { id: 'q2', image: 'b.png', question: 'Who?', answers: ['me'], kind: 'all' },
    ],
    outcomes: [
      [outcome('two', true), outcome('me', true)],
      [second, outcome('you', false)],
    ],
  };
}

test('what each method answered is found beside the set, by its newest evaluation', async () => {
  const set = join(folder, 'questions.jsonl');
  const [older, newer] = [
    join(folder, 'evaluation-questions'),
    join(folder, 'work', 'fovea-runs', 'evaluation-questions'),
  ];
  for (const each of [older, newer]) await mkdir(each, { recursive: true });
  const results = new QuestionResults();
  const line = { id: 'q1', image: 'a.png', question: 'What?' };
  assert.deepEqual(await results.of(line, set, []), []);
  await writeEvaluationFile(
    join(older, 'evaluation.fovea'),
    evaluation(set, '2026-01-01T00:00:00Z', outcome('<b>*three*</b>', false)),
  );
  assert.deepEqual(await results.of(line, set, []), [
    { title: 'No pruning', correct: true, answer: 'two' },
    { title: 'MustDrop (code)', budget: 64, correct: false, answer: '<b>*three*</b>' },
  ]);
  await writeEvaluationFile(join(newer, 'evaluation.fovea'), evaluation(set, '2026-02-01T00:00:00Z', undefined));
  assert.deepEqual(await results.of(line, set, [join(folder, 'work')]), [
    { title: 'No pruning', correct: true, answer: 'two' },
  ]);
  // Without an id, image and question find it; another question, or another set, is none of it.
  assert.equal((await results.of({ image: 'b.png', question: 'Who?' }, set, [])).length, 2);
  assert.deepEqual(await results.of({ ...line, question: 'Why?' }, set, []), []);
  assert.deepEqual(await results.of(line, join(folder, 'other.jsonl'), []), []);
  await truncate(join(older, 'evaluation.fovea'), 300);
  assert.deepEqual(await results.of(line, set, []), []);
});

test('right and wrong are said in words, and answers stay text', () => {
  const text = resultLines([{ title: 'MustDrop', budget: 64, correct: false, answer: '<b>*x*</b>\n[l](command:y)' }], {
    translate,
  });
  assert.match(text, /wrong/);
  assert.doesNotMatch(text, /[<>*\[\]()]/);
  const many = Array.from({ length: 30 }, () => ({ title: 'x', correct: true, answer: 'y' }));
  assert.match(resultLines(many, { translate }), /and 6 more$/);
});

const thumbnail = async (): Promise<Buffer> =>
  sharp({ create: { width: 200, height: 133, channels: 3, background: '#c08040' } })
    .png()
    .toBuffer();

test('kept, merged and dropped patches are counted over all stages, and the picture shows them', async () => {
  const layer = {
    entering: 5,
    leaving: 3,
    sequence: 7,
    cached: 3,
    cacheLength: 7,
    cacheBytes: 1,
    lastKeyPosition: 8,
    attentionRead: true,
    prefillMs: 1,
  };
  const stage = (tower: 'vision' | 'decoder', leaving: number) =>
    ({
      id: tower,
      title: tower,
      place: { tower, layer: 0 },
      entering: 6,
      leaving,
      scores: [],
      reasons: [],
      notes: [],
    }) as const;
  const run = {
    ...smallRun,
    reduction: {
      stages: [stage('vision', 5), stage('decoder', 3)],
      visionTokens: [7, 7],
      layers: [{ ...layer, entering: 6 }, layer],
      visualTokens: 6,
      decodeSteps: 1,
      decodePositions: 'continued',
    },
  } as const;
  // By patch: kept, merged then kept, merged then dropped, dropped then absent, kept, rescued.
  const values = Uint8Array.of(0, 1, 1, 2, 0, 0, 0, 0, 2, 4, 0, 3);
  const small = await thumbnail();
  const path = join(folder, 'run.fovea');
  await writeTraceFile(path, run, {
    ...smallTensors(),
    'fates.fate': { dtype: 'U8', shape: [2, 6], data: values },
    'image.thumbnail': { dtype: 'U8', shape: [small.length], data: new Uint8Array(small) },
  });
  const { reduction } = await readRunDetails(path);
  const { kept, merged, dropped, before, after, meanEntering } = reduction!.fates;
  assert.deepEqual(
    { kept, merged, dropped, before, after, meanEntering },
    { kept: 3, merged: 1, dropped: 2, before: 6, after: 3, meanEntering: 5.5 },
  );
  const svg = Buffer.from(reduction!.picture!.uri.replace('data:image/svg+xml;base64,', ''), 'base64');
  const { data, info } = await sharp(svg).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  assert.deepEqual([info.width, info.height], [200, 133]);
  const mean = (row: number, column: number): number => {
    let sum = 0;
    for (let y = 10; y < 56; y++)
      for (let x = 10; x < 56; x++) sum += data[((row * 66 + y) * info.width + column * 66 + x) * info.channels]!;
    return sum / 46 / 46;
  };
  // Of the 2 x 3 patches, the third and the fourth lie under the veil; all others show the picture itself.
  assert.deepEqual(
    [mean(0, 0), mean(0, 1), mean(0, 2), mean(1, 0), mean(1, 1), mean(1, 2)].map(value => value > 150),
    [true, true, false, false, true, true],
  );
});

test('the picture of any pattern of fates stays small', async () => {
  const grid = { rows: 24, columns: 24 };
  const fates = Array.from(
    { length: 576 },
    (_, patch) => (['kept', 'merged', 'dropped'] as const)[(patch * 7 + (patch >> 3)) % 3]!,
  );
  const uri = fatesPicture(
    { fates } as unknown as TokenFates,
    `data:image/webp;base64,${'A'.repeat(8000)}`,
    { width: 200, height: 200 },
    {
      image: smallRun.image,
      visual: { ...smallRun.visual, grid },
    },
  );
  assert.ok(uri.length < 30_000, `${uri.length} characters`);
  await writeFile(join(folder, 'x'), uri);
});
