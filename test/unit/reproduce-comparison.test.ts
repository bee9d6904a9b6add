import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { exitCodes } from '../../native/cli/exit-codes.ts';
import { FoveaError } from '../../native/errors.ts';
import type { Reproduction } from '../../native/report/reproduce.ts';
import { reproduceRuns } from '../../native/report/reproduce-runs.ts';
import { writeReport } from '../../native/report/write-report.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { smallRun } from '../fixtures/small-run.ts';

const main = fileURLToPath(new URL('../../native/cli/main.ts', import.meta.url));
const sample = fileURLToPath(new URL('../../media/samples/scene-02.png', import.meta.url));
const other = fileURLToPath(new URL('../../media/samples/scene-04.png', import.meta.url));
const tsx = import.meta.resolve('tsx');

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-reproduce-'));
  await copyFile(sample, join(folder, 'mine.png'));
  const traces = ['plain.fovea', 'pruned.fovea'].map(name => join(folder, name)) as [string, string];
  const question = 'What is in the center?';
  const plain = await fovea('analyze', sample, question, '--out', traces[0]);
  const method = ['--method', 'fastv', '--budget', '96'];
  const pruned = await fovea('analyze', join(folder, 'mine.png'), question, ...method, '--out', traces[1]);
  assert.deepEqual([plain.code, pruned.code], [0, 0], plain.stderr + pruned.stderr);
  for (const format of ['html', 'json'] as const)
    await writeReport({ sources: traces, outPath: join(folder, `both.${format}`), format });
});
after(() => rm(folder, { recursive: true, force: true }));

function fovea(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise(resolve => {
    execFile(process.execPath, ['--import', tsx, main, ...words], { cwd: folder }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

test('every run of a comparison is run again from its HTML, each with a verdict of its own', async () => {
  const { code, stdout, stderr } = await fovea('reproduce', join(folder, 'both.html'));
  assert.equal(code, exitCodes.ok, stderr);
  assert.match(stdout, /^A no token reduction: plain\.fovea\n {2}Tokens agree exactly/);
  assert.match(stdout, /^B FastV.*: pruned\.fovea\n {2}Tokens agree exactly[^]*Visual tokens of every layer/m);
  assert.match(stdout, /2 of 2 runs agree\.\n$/);
});

test('one run that disagrees makes the exit code 1, and the JSON says which', async () => {
  const report = JSON.parse(await readFile(join(folder, 'both.json'), 'utf8')) as { runs: { metadata: RunMetadata }[] };
  const { tokens, promptTokens } = report.runs[1]!.metadata;
  const changed = tokens.map((token, index) => (index === promptTokens ? { ...token, id: 7 } : token));
  report.runs[1]!.metadata = { ...report.runs[1]!.metadata, tokens: changed };
  await writeFile(join(folder, 'changed.json'), JSON.stringify(report));
  const { code, stdout } = await fovea('reproduce', join(folder, 'changed.json'), '--json');
  assert.equal(code, exitCodes.unexpected);
  const said = JSON.parse(stdout) as { agree: boolean; runs: { name: string; agrees: boolean }[] };
  assert.equal(said.agree, false);
  assert.deepEqual(
    said.runs.map(({ name, agrees }) => [name.slice(0, 1), agrees]),
    [
      ['A', true],
      ['B', false],
    ],
  );
});

test('a run whose image is another one by now is told by its name, and the others are compared all the same', async () => {
  await copyFile(other, join(folder, 'mine.png'));
  try {
    const { code, stdout } = await fovea('reproduce', join(folder, 'both.html'));
    assert.equal(code, exitCodes.input);
    assert.match(stdout, /^B FastV.*\n {2}Not run: .*mine\.png is not the image of the run/m);
    assert.match(stdout, /1 of 2 runs agrees, 1 could not be run\./);
  } finally {
    await copyFile(sample, join(folder, 'mine.png'));
  }
});

test('--run N runs that one alone, and says so where there is none', async () => {
  const { code, stdout } = await fovea('reproduce', join(folder, 'both.json'), '--run', '2');
  assert.equal(code, exitCodes.ok);
  assert.match(stdout, /^Tokens agree exactly/);
  assert.match((await fovea('reproduce', join(folder, 'both.json'), '--run', '3')).stderr, /has no run 3/);
});

test('Cancel stops before the next run, and within one; what was compared until then was handed out', async () => {
  const abort = new AbortController();
  const options = { imagePath: undefined, modelFolder: undefined, signal: abort.signal, progress: () => undefined };
  const runs = ['A', 'B', 'C'].map(name => ({ name, metadata: smallRun }));
  const started: number[] = [];
  const verdicts = reproduceRuns(runs, options, () => {
    started.push(started.length);
    if (started.length === 2) {
      abort.abort();
      return Promise.reject(new FoveaError('cancelled', 'Cancelled.'));
    }
    return Promise.resolve({ tokensAgree: true } as Reproduction);
  });
  const seen: string[] = [];
  await assert.rejects(
    async () => {
      for await (const { name } of verdicts) seen.push(name);
    },
    { code: 'cancelled' },
  );
  assert.deepEqual([seen, started.length], [['A'], 2]);
});
