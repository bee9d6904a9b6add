import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import sharp from 'sharp';
import { parseReportOptions } from '../../native/cli/report-options.ts';
import { FoveaError } from '../../native/errors.ts';
import { readSavedReport } from '../../native/report/saved-report.ts';
import { writeReport } from '../../native/report/write-report.ts';
import { openTraceFile, writeTraceFile } from '../../trace/file.ts';
import type { LayerAccount, Stage } from '../../trace/fates.ts';
import { countKept } from '../../trace/kept-patches.ts';
import type { RunMetadata, TraceToken } from '../../trace/schema.ts';
import { alignTokens } from '../../trace/token-diff.ts';
import { hostileRun } from '../fixtures/hostile-run.ts';
import { smallRun, smallTensors } from '../fixtures/small-run.ts';

/** Six patches: the method keeps 0, merges 1 and 2, drops 3; 4 was gone before, 5 is rescued. */
const fates = [0, 1, 1, 2, 4, 3];
const layer: LayerAccount = {
  entering: 4,
  leaving: 3,
  sequence: 7,
  cached: 3,
  cacheLength: 7,
  cacheBytes: 64,
  lastKeyPosition: 8,
  attentionRead: true,
  prefillMs: 1,
};
const stage: Stage = {
  id: 'drop',
  title: 'Drop',
  place: { tower: 'decoder', layer: 0 },
  entering: 5,
  leaving: 3,
  scores: [],
  reasons: [],
  notes: [],
};
const [two, end] = smallRun.tokens.slice(3) as [TraceToken, TraceToken];
const plain: RunMetadata = {
  ...smallRun,
  model: { ...smallRun.model, decoder: { ...smallRun.model.decoder, intermediateSize: 8 } },
};
const reduced: RunMetadata = {
  ...plain,
  id: '6f0f6c1e-0000-4000-8000-000000000002',
  method: { name: 'mustdrop', title: 'MustDrop', variant: 'code', parameters: { keep: 3, layers: [1, 2] } },
  reduction: {
    stages: [stage],
    visionTokens: [7, 7],
    layers: [{ ...layer, entering: 6 }, layer],
    visualTokens: 6,
    decodeSteps: 1,
    decodePositions: 'continued',
  },
  tokens: [...smallRun.tokens.slice(0, 3), { ...two, id: 6, text: ' three', logprob: -1 }, end],
  answer: 'three',
};

let folder = '';
let [first, second, third] = ['', '', ''];
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-comparison-'));
  const picture = await sharp({ create: { width: 6, height: 4, channels: 3, background: '#804020' } })
    .png()
    .toBuffer();
  const display = { dtype: 'U8', shape: [picture.length], data: new Uint8Array(picture) } as const;
  const tensors = { ...smallTensors(), 'image.display': display };
  [first, second, third] = ['plain', 'reduced', 'hostile'].map(name => join(folder, `${name}.fovea`)) as [
    string,
    string,
    string,
  ];
  await writeTraceFile(first, plain, tensors);
  const fate = { dtype: 'U8', shape: [1, 6], data: Uint8Array.from(fates) } as const;
  await writeTraceFile(second, reduced, { ...tensors, 'fates.fate': fate });
  await writeTraceFile(third, { ...hostileRun, image: { ...hostileRun.image, digest: 'cd' } }, tensors);
});
after(() => rm(folder, { recursive: true, force: true }));

const report = async (sources: string[], format: 'html' | 'json' | 'csv' | 'md', name = 'c'): Promise<string> => {
  const outPath = join(folder, `${name}.${format}`);
  await writeReport({ sources, outPath, format });
  return readFile(outPath, 'utf8');
};

test('tokens are aligned by what both have in order, and the rest is paired as replaced', () => {
  const pairs = (a: number[], b: number[]): string =>
    alignTokens(a, b)
      .map(({ first, second }) => `${first ?? '-'}${second ?? '-'}`)
      .join(' ');
  assert.equal(pairs([1, 2, 3], [1, 2, 3]), '00 11 22');
  assert.equal(pairs([1, 2, 3, 4], [1, 3, 4]), '00 1- 21 32');
  assert.equal(pairs([1, 9, 4], [1, 7, 8, 4]), '00 11 -2 23');
  assert.equal(pairs([], [5]), '-0');
  assert.equal(pairs([1, 2, 1, 2], [2, 1]), '0- 10 21 3-');
});

test('every token of both answers is in the alignment once, in order', () => {
  let seed = 7;
  const random = (n: number): number => (seed = (seed * 48271) % 2147483647) % n;
  for (let round = 0; round < 200; round++) {
    const [a, b] = [
      Array.from({ length: random(12) }, () => random(4)),
      Array.from({ length: random(12) }, () => random(4)),
    ];
    const pairs = alignTokens(a, b);
    assert.deepEqual(
      pairs.flatMap(({ first }) => first ?? []),
      [...a.keys()],
    );
    assert.deepEqual(
      pairs.flatMap(({ second }) => second ?? []),
      [...b.keys()],
    );
  }
});

test('patches of both, of one and of neither add up to the grid', () => {
  const counts = countKept(Uint8Array.of(1, 1, 0, 0, 1), Uint8Array.of(1, 0, 1, 0, 1));
  assert.deepEqual(counts, { both: 2, onlyFirst: 1, onlySecond: 1, neither: 1, overlap: 0.5 });
});

test('JSON of a comparison has what each kept and cost, and which tokens belong together', async () => {
  interface Comparison {
    kind: string;
    mismatches: string[];
    runs: { letter: string; metadata: RunMetadata; keptPatches: number[]; costs: Record<string, number | null> }[];
    comparisons: { tokens: (number | null)[][]; kept: object }[];
  }
  const { kind, mismatches, runs, comparisons } = JSON.parse(await report([first, second], 'json')) as Comparison;
  assert.equal(kind, 'comparison');
  assert.deepEqual(mismatches, []);
  assert.deepEqual(
    runs.map(({ keptPatches }) => keptPatches),
    [
      [0, 1, 2, 3, 4, 5],
      [0, 1, 2, 5],
    ],
  );
  assert.deepEqual(comparisons[0]!.kept, { both: 4, onlyFirst: 2, onlySecond: 0, neither: 0, overlap: 4 / 6 });
  assert.deepEqual(comparisons[0]!.tokens, [
    [0, 0],
    [1, 1],
  ]);
  assert.equal(runs[0]!.costs['meanEntering'], 6);
  assert.equal(runs[1]!.costs['meanEntering'], 5);
  // Two layers over 9 and over 7 tokens, d = 4, m = 8: 4nd² + 2n²d + 3ndm.
  const f3 = (n: number): number => 4 * n * 16 + 2 * n * n * 4 + 3 * n * 4 * 8;
  assert.equal(runs[0]!.costs['prefillMacs'], 2 * f3(9));
  assert.equal(runs[1]!.costs['prefillMacs'], 2 * f3(7));
  // One key-value head of two numbers, keys and values, float32: 16 bytes an entry.
  assert.equal(runs[0]!.costs['visualCacheBytes'], 2 * 6 * 16);
  assert.equal(runs[1]!.costs['visualCacheBytes'], 2 * 3 * 16);
});

test('the page says what differs, marks tokens of one answer only, and shows what was kept', async () => {
  const page = await report([first, second], 'html');
  const text = page.slice(page.indexOf('<body'), page.indexOf('<script type="application/json"'));
  assert.match(text, /B MustDrop \(code\)/);
  assert.match(text, /<mark><bdi>two<\/bdi><\/mark>/);
  assert.match(text, /<mark><bdi>three<\/bdi><\/mark>/);
  assert.match(text, /only A 2, only B 0, both 4, neither 0/);
  assert.match(text, /keep = 3, layers = 1,2/);
  assert.match(text, /The same in all: .*image SHA-256, question/);
  assert.equal(text.match(/fovea analyze/g)?.length, 4);
  assert.doesNotMatch(text, /another one than that of A/);
});

test('another image, question or model is said first, and no picture pretends that patches correspond', async () => {
  const page = await report([first, third], 'html', 'mismatch');
  const caution = /<p class="caution">(.*?)<\/p>/s.exec(page)?.[1] ?? '';
  assert.match(caution, /^The image of B is another one .* The question of B is another one/s);
  const body = page.slice(page.indexOf('<body'), page.indexOf('<script type="application/json"'));
  assert.doesNotMatch(body, /<script|onerror="|<img src=x/);
});

test('CSV has one line a run, and its texts are no formulas', async () => {
  const lines = (await report([first, second], 'csv')).trim().split('\r\n');
  assert.equal(lines.length, 3);
  assert.match(lines[0]!, /^run,trace,meanEntering,/);
  const tokens = (await readFile(join(folder, 'c-tokens.csv'), 'utf8')).trim().split('\r\n');
  assert.equal(tokens[1], 'A,B,0,""" two""",-0.25,0,""" three""",-1');
});

test('Markdown has the chart as a drawing of its own beside it', async () => {
  const text = await report([first, second], 'md');
  assert.match(text, /!\[Visual tokens that enter each decoder layer, by run\]\(c-images\/tokens-entering\.svg\)/);
  const drawing = await readFile(join(folder, 'c-images', 'tokens-entering.svg'), 'utf8');
  assert.match(drawing, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox/);
  assert.equal((drawing.match(/<rect/g) ?? []).length, 2 + 2 * 2);
});

test('a saved comparison holds its runs in order, by the names that it shows, in HTML as in JSON', async () => {
  await report([first, second], 'html', 'saved');
  await report([first, second], 'json', 'saved');
  for (const file of ['saved.html', 'saved.json']) {
    const saved = await readSavedReport(join(folder, file));
    const runs = saved.kind === 'runs' ? saved.runs : [];
    assert.deepEqual(
      runs.map(({ name }) => name),
      ['A no token reduction: plain.fovea', 'B MustDrop (code): reduced.fovea'],
    );
    assert.deepEqual(
      runs.map(({ metadata }) => metadata.id),
      [plain.id, reduced.id],
    );
  }
});

test('what no kind of report is made of is refused, with what they are made of', async () => {
  const other = join(folder, 'notes.txt');
  await writeFile(other, 'x');
  for (const sources of [[other], [first, other], []])
    await assert.rejects(
      writeReport({ sources, outPath: join(folder, 'x.html'), format: 'html' }),
      (error: unknown) => {
        assert.ok(error instanceof FoveaError && error.code === 'usage');
        assert.match(error.hint, /one trace of a run \(\*\.fovea\); two or more traces/);
        return true;
      },
    );
  assert.deepEqual(parseReportOptions(['a.fovea', 'b.fovea'])?.order.outPath, 'a-comparison.html');
});

test('a report that is cancelled leaves nothing behind', async () => {
  const outPath = join(folder, 'cancelled.html');
  const reason = new Error('enough');
  await assert.rejects(
    writeReport({ sources: [first, second], outPath, format: 'html' }, AbortSignal.abort(reason)),
    reason,
  );
  await assert.rejects(readFile(outPath), /ENOENT/);
  // The traces were closed: they can be opened and closed again.
  await (await openTraceFile(first)).close();
});
