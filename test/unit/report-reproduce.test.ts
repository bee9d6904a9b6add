import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { exitCodes } from '../../native/cli/exit-codes.ts';
import { compareRuns, reproduce } from '../../native/report/reproduce.ts';
import { readSavedReport } from '../../native/report/saved-report.ts';
import { writeReport } from '../../native/report/write-report.ts';
import { foreignShares } from '../../trace/network-path.ts';
import type { RunMetadata, TraceToken } from '../../trace/schema.ts';
import { smallRun } from '../fixtures/small-run.ts';

const main = fileURLToPath(new URL('../../native/cli/main.ts', import.meta.url));
const image = fileURLToPath(new URL('../../media/samples/scene-02.png', import.meta.url));
const other = fileURLToPath(new URL('../../media/samples/scene-04.png', import.meta.url));
const otherModel = fileURLToPath(new URL('../golden/variants/tied-head', import.meta.url));
const tsx = import.meta.resolve('tsx');

let folder = '';
let trace = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-reproduce-'));
  trace = join(folder, 'run.fovea');
  const question = 'What is in the center?';
  const ended = await fovea('analyze', image, question, '--out', trace, '--temperature', '0.7', '--seed', '3');
  assert.equal(ended.code, 0, ended.stderr);
});
after(() => rm(folder, { recursive: true, force: true }));

function fovea(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise(resolve => {
    execFile(process.execPath, ['--import', tsx, main, ...words], { cwd: folder }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

interface Result {
  readonly tokensAgree: boolean;
  readonly numbersAgree: boolean;
  readonly compared: number;
  readonly firstDifference?: number;
  readonly largestLogprobDifference: number;
}

test('a sampled run comes out the same again from its HTML report, and nothing is written', async () => {
  const report = join(folder, 'run.html');
  await writeReport({ sources: [trace], outPath: report, format: 'html' });
  const files = await readdir(folder);
  const { code, stdout } = await fovea('reproduce', report, '--json');
  const result = JSON.parse(stdout) as Result;
  assert.equal(code, exitCodes.ok);
  assert.equal(result.tokensAgree && result.numbersAgree, true);
  assert.ok(result.compared >= 2);
  assert.ok(result.largestLogprobDifference <= 1e-4);
  assert.deepEqual(await readdir(folder), files);
});

test('a run whose recorded token is another one disagrees, with exit code 1', async () => {
  const report = join(folder, 'run.json');
  await writeReport({ sources: [trace], outPath: report, format: 'json' });
  const content = JSON.parse(await readFile(report, 'utf8')) as { metadata: RunMetadata };
  const { tokens, promptTokens } = content.metadata;
  const changed = tokens.map((token, index): TraceToken => (index === promptTokens + 1 ? { ...token, id: 7 } : token));
  await writeFile(report, JSON.stringify({ metadata: { ...content.metadata, tokens: changed } }));
  const { code, stdout } = await fovea('reproduce', report);
  assert.equal(code, exitCodes.unexpected);
  assert.match(stdout, /Tokens disagree from generated token 2 on; 1 before it agree\./);
});

test('another image, another model, or none of them is told before anything is run', async () => {
  const wrongImage = await fovea('reproduce', trace, '--image', other);
  assert.equal(wrongImage.code, exitCodes.input);
  assert.match(wrongImage.stderr, /is not the image of the run: its SHA-256 is [0-9a-f]{64}/);
  const noImage = await fovea('reproduce', trace, '--image', join(folder, 'gone.png'));
  assert.match(noImage.stderr, /cannot be read[^]*--image FILE/);
  const wrongModel = await fovea('reproduce', trace, '--model', otherModel);
  assert.equal(wrongModel.code, exitCodes.checkpoint);
  assert.match(wrongModel.stderr, /is not the model of the run/);
});

test('what holds no run is refused with what would', async () => {
  for (const [name, content] of [
    ['empty.html', '<p>hello</p>'],
    ['cut.html', '<script type="application/json" id="fovea-run">{"metadata":'],
    ['other.json', '{"a":1}'],
    ['run.md', '# run'],
  ] as const) {
    const path = join(folder, name);
    await writeFile(path, content);
    await assert.rejects(readSavedReport(path), /holds no run of Fovea|neither a trace nor a report/);
  }
  const newer = join(folder, 'newer.json');
  await writeFile(newer, JSON.stringify({ metadata: { ...smallRun, schema: 99 } }));
  await assert.rejects(readSavedReport(newer), /reads up to/);
});

/** Nothing is named anew. */
const asItIs = {
  imagePath: undefined,
  modelFolder: undefined,
  signal: new AbortController().signal,
  progress: () => undefined,
};

test('what a run names on another computer is not opened unless it is named again', async () => {
  const { model, image: shown } = smallRun;
  for (const path of ['//files.example/share/a.png', '\\\\files.example\\share\\a.png']) {
    const run: RunMetadata = { ...smallRun, image: { ...shown, path } };
    const attempt = reproduce(run, asItIs);
    await assert.rejects(attempt, { code: 'usage', message: /another computer/, hint: /--image FILE/ });
  }
  const module = { path: '\\\\files.example\\share\\method.mjs', digest: '0'.repeat(64) };
  const own = reproduce({ ...smallRun, method: { ...smallRun.method, module } }, asItIs);
  await assert.rejects(own, { code: 'usage', message: /another computer.*method\.mjs/ });
  const digest = createHash('sha256')
    .update(await readFile(image))
    .digest('hex');
  const remote = {
    ...smallRun,
    image: { ...shown, path: image, digest },
    model: { ...model, folder: '//host/models' },
  };
  const attempt = reproduce(remote, asItIs);
  await assert.rejects(attempt, { code: 'usage', message: /host\/models/, hint: /--model DIR/ });
});

test('shares are those of the paths, but for the one that the trace lies on', () => {
  const paths = ['/home/a.png', 'C:\\a.png', '', '\\\\Host\\Share\\a.png', '//host/share/b.png', '//other/x'];
  assert.deepEqual(foreignShares(paths, undefined), ['//host/share', '//other/x']);
  assert.deepEqual(foreignShares(paths, '\\\\host\\share\\runs\\a.fovea'), ['//other/x']);
  assert.deepEqual(foreignShares(paths, '/home/a.fovea'), ['//host/share', '//other/x']);
  assert.deepEqual(foreignShares(['\\\\?\\UNC\\host\\share\\a.png'], undefined), ['//?/unc']);
});

test('differences are counted up to the first token that differs, and cancelled runs by what they have', () => {
  const shifted = (run: RunMetadata, by: number): RunMetadata => ({
    ...run,
    tokens: run.tokens.map(token => ({
      ...token,
      ...(token.logprob !== undefined && { logprob: token.logprob + by }),
      ...(token.alternatives && {
        alternatives: token.alternatives.map(one => ({ ...one, logprob: one.logprob + 2 * by })),
      }),
    })),
  });
  const same = compareRuns(smallRun, smallRun);
  assert.deepEqual(same, {
    tokensAgree: true,
    numbersAgree: true,
    compared: 2,
    largestLogprobDifference: 0,
    largestAlternativeDifference: 0,
  });
  const apart = compareRuns(smallRun, shifted(smallRun, 0.25));
  assert.deepEqual(
    [apart.tokensAgree, apart.numbersAgree, apart.largestLogprobDifference, apart.largestAlternativeDifference],
    [true, false, 0.25, 0.5],
  );
  const longer = { ...smallRun, tokens: [...smallRun.tokens, smallRun.tokens.at(-1)!] };
  assert.equal(compareRuns(smallRun, longer).firstDifference, 2);
  assert.equal(
    compareRuns({ ...smallRun, status: { state: 'cancelled', after: 'token 2' } }, longer).tokensAgree,
    true,
  );
  const otherPrompt = {
    ...smallRun,
    tokens: smallRun.tokens.map((token, i) => (i === 1 ? { ...token, id: 9 } : token)),
  };
  assert.equal(compareRuns(smallRun, otherPrompt).tokensAgree, false);
});
