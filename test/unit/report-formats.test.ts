import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import sharp from 'sharp';
import { FoveaError } from '../../native/errors.ts';
import { inline } from '../../native/report/formats/markdown-report.ts';
import { findBrowser, printPdf } from '../../native/report/print-pdf.ts';
import { writeReport } from '../../native/report/write-report.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { hostileRun, hostileTexts, writeHostileTrace } from '../fixtures/hostile-run.ts';

let folder = '';
let trace = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-report-formats-'));
  trace = join(folder, 'hostile.fovea');
  await writeHostileTrace(trace);
});
after(() => rm(folder, { recursive: true, force: true }));

const mass = (row: number, layer: number, head: number, group: number): number =>
  (((row * 2 + layer) * 2 + head) * 5 + group) / 1024;

test('JSON holds the metadata as it was and every mass of the trace', async () => {
  const out = join(folder, 'r.json');
  await writeReport({ sources: [trace], outPath: out, format: 'json' });
  const report = JSON.parse(await readFile(out, 'utf8')) as {
    metadata: RunMetadata;
    masses: { values: number[][][][] };
    generatedTokens: { text: string; probability: number }[];
    answerAttention: { layer: number; maps: number[][] };
    reproduce: string;
  };
  assert.deepEqual(report.metadata.generation, hostileRun.generation);
  assert.equal(report.metadata.prompt.question, hostileRun.prompt.question.replace(/\p{Surrogate}/gu, '\ud83d'));
  report.masses.values.forEach((layers, row) => {
    layers.forEach((heads, layer) => {
      heads.forEach((groups, head) => {
        assert.deepEqual(
          groups.map(Math.fround),
          [0, 1, 2, 3, 4].map(group => mass(row, layer, head, group)),
        );
      });
    });
  });
  assert.equal(report.generatedTokens.length, 2);
  assert.ok(Math.abs(report.generatedTokens[0]!.probability - Math.exp(-0.25)) < 1e-12);
  assert.equal(report.answerAttention.maps[report.answerAttention.layer]?.length, 6);
  assert.match(report.reproduce, /^fovea analyze /);
});

test('CSV is two tables whose texts are no formulas', async () => {
  const out = join(folder, 'r.csv');
  const { files } = await writeReport({ sources: [trace], outPath: out, format: 'csv' });
  assert.deepEqual(
    files.map(file => basename(file)),
    ['r.csv', 'r-masses.csv'],
  );
  const tokens = parseCsv(await readFile(out, 'utf8'));
  assert.equal(tokens.length, 3);
  for (const row of tokens) assert.equal(row.length, tokens[0]!.length);
  for (const field of tokens.slice(1).flat()) assert.doesNotMatch(field, /^[=+@\t\r]|^-[^\d]/);
  assert.equal(JSON.parse(tokens[1]![2]!), hostileTexts[3]);
  const masses = parseCsv(await readFile(join(folder, 'r-masses.csv'), 'utf8'));
  assert.equal(masses.length, 1 + 4 * 2 * 2);
  assert.deepEqual(masses[1 + 2 * 4 + 3]!.map(Number).map(Math.fround), [
    2,
    3,
    1,
    1,
    ...[0, 1, 2, 3, 4].map(g => mass(2, 1, 1, g)),
  ]);
});

/** RFC 4180. */
function parseCsv(text: string): string[][] {
  return text
    .split('\r\n')
    .filter(line => line !== '')
    .map(line =>
      [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/g)].map(m => m[1]?.replaceAll('""', '"') ?? m[2]!),
    );
}

test('Markdown keeps texts texts, and its pictures lie where it says', async () => {
  const out = join(folder, "it's (1).md");
  const { files } = await writeReport({ sources: [trace], outPath: out, format: 'md' });
  const text = await readFile(out, 'utf8');
  assert.doesNotMatch(text, /<(?!0)/);
  assert.doesNotMatch(text, /[^\\]\[link\]|[\u202e]|http:\/\//);
  const links = [...text.matchAll(/!\[[^\]]*\]\(([^)\s]+)\)/g)].map(match => decodeURIComponent(match[1]!));
  assert.deepEqual(
    links.map(link => join(folder, link)),
    files.slice(1),
  );
  assert.equal((await sharp(join(folder, links[0]!)).metadata()).width, 672);
  const tableLines = text.split('\n').filter(line => line.startsWith('|'));
  assert.ok(tableLines.length > 20);
});

test('what Markdown would read as a list, a link or emphasis is escaped, and plain words are not', () => {
  assert.equal(inline('1. a'), '1\\. a');
  assert.equal(inline('- a'), '\\- a');
  assert.equal(inline('see www.example.com, http://x'), 'see www\\.example.com, http\\://x');
  assert.equal(inline('a\n b *c*'), 'a ⏎ b \\*c\\*');
  assert.equal(inline('fovea-tiny, 0.5 (half)'), 'fovea-tiny, 0.5 (half)');
});

test('without a browser, or with one that fails, it is said what to do', async () => {
  assert.equal(findBrowser({ CHROMIUM: join(folder, 'none'), PATH: process.env['PATH'] }), undefined);
  for (const program of [join(folder, 'none'), '/bin/false'])
    await assert.rejects(printPdf('<p>', { CHROMIUM: program }), (error: unknown) => {
      assert.ok(error instanceof FoveaError);
      assert.match(error.hint, /--format html.*print it to PDF/);
      return true;
    });
});

test('a print that is cancelled kills the browser and leaves no folder behind', async () => {
  const program = join(folder, 'slow-browser');
  const started = join(folder, 'started');
  await writeFile(program, `#!/bin/sh\necho $$ > '${started}'\nexec sleep 600\n`, { mode: 0o755 });
  const abort = new AbortController();
  const reason = new Error('enough');
  const printing = printPdf('<p>', { CHROMIUM: program }, abort.signal);
  const ended = assert.rejects(printing, reason);
  let pid = 0;
  while (pid === 0) {
    await new Promise(resolve => setTimeout(resolve, 10));
    pid = Number(await readFile(started, 'utf8').catch(() => '0'));
  }
  abort.abort(reason);
  await ended;
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      break;
    }
    await new Promise(resolve => setTimeout(resolve, 10));
  }
});
