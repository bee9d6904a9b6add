import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { answerTail, fractionDone } from '../../extension/analysis/progress.ts';
import { questionsFrom, rememberQuestion } from '../../extension/analysis/question-history.ts';
import { isLeftover, runFileName } from '../../extension/analysis/run-name.ts';
import { imageGlob, isImageFile } from '../../extension/image-files.ts';
import { lastWords } from '../../extension/pipeline/failure.ts';
import { OutputTail } from '../../extension/pipeline/output-tail.ts';
import { folderPath } from '../../extension/settings/folder-path.ts';
import { modelUpdate } from '../../extension/settings/model-update.ts';
import type { StageProgress } from '../../native/rpc.ts';

const now = new Date(2026, 0, 9, 7, 5, 3);
const free = (): boolean => false;

test('a run is named after its image and the local time', () => {
  assert.equal(runFileName('/home/me/scene-04.png', now, free), 'scene-04-20260109-070503.fovea');
});

test('two runs of one image within a second get different names', () => {
  const taken = new Set(['a-20260109-070503.fovea', 'a-20260109-070503-2.fovea']);
  assert.equal(
    runFileName('/a.jpg', now, name => taken.has(name)),
    'a-20260109-070503-3.fovea',
  );
});

test('a run gets a name that every file system takes', () => {
  const name = runFileName('/pictures/a:b*?"<c>|d\n.png', now, free);
  assert.equal(name, 'a-b----c--d--20260109-070503.fovea');
  assert.ok(runFileName(`/${'x'.repeat(250)}.png`, now, free).length < 120);
});

test('a run of an image with a long name fits into 255 bytes and never ends in half a character', () => {
  const bytes = (name: string): number => Buffer.byteLength(`${name}.partial`);
  assert.ok(bytes(runFileName(`/${'長'.repeat(80)}.png`, now, free)) <= 255);
  for (let before = 0; before < 4; before++) {
    const name = runFileName(`/${'x'.repeat(before)}${'🦌'.repeat(60)}.png`, now, free);
    assert.ok(bytes(name) <= 255);
    assert.equal(Buffer.from(name).toString(), name);
  }
});

test('a half-written trace is a leftover only when no other window can be writing it', () => {
  const started = 1_000_000;
  const touched = (modified: number, ago: number): boolean => isLeftover(modified, modified + ago, started);
  assert.equal(touched(started - 1, 10_001), true);
  assert.equal(touched(started - 1, 5_000), false);
  assert.equal(touched(started + 1, 60_000), false);
  assert.equal(touched(started + 1, 600_001), true);
});

test('the last words of a crash are its error, not the version of Node or a line of the stack', () => {
  const uncaught = [
    '/app/server.cjs:1',
    'throw new Error("no such binding");',
    '^',
    '',
    'Error: no such binding',
    '    at Object.<anonymous> (/app/server.cjs:1:7)',
    '    at node:internal/main/run_main_module:28:49 {',
    "  code: 'MODULE_NOT_FOUND'",
    '}',
    '',
    'Node.js v20.20.2',
  ];
  assert.equal(lastWords(uncaught.join('\n')), 'Error: no such binding');
  assert.equal(lastWords('loading\nthe weights are gone\n'), 'the weights are gone');
  assert.equal(lastWords(''), '');
});

test('the last ten questions are kept, most recent first and each once', () => {
  let history: string[] = [];
  for (let i = 0; i < 12; i++) history = rememberQuestion(history, `question ${i}`);
  history = rememberQuestion(history, 'question 5');
  assert.deepEqual(
    history,
    [5, 11, 10, 9, 8, 7, 6, 4, 3, 2].map(i => `question ${i}`),
  );
});

test('a huge question is not kept, and those before it stay', () => {
  assert.deepEqual(rememberQuestion(['a', 'b'], 'x'.repeat(100_000)), ['a', 'b']);
});

test('choosing the bundled model takes effect even when the user has set another one', () => {
  assert.deepEqual(modelUpdate(undefined, ''), { target: 'user', value: undefined });
  assert.deepEqual(modelUpdate({ globalValue: '/a' }, '/b'), { target: 'user', value: '/b' });
  assert.deepEqual(modelUpdate({ globalValue: '/a' }, ''), { target: 'user', value: undefined });
  assert.deepEqual(modelUpdate({ workspaceValue: '/w' }, ''), { target: 'workspace', value: undefined });
  assert.deepEqual(modelUpdate({ globalValue: '/a', workspaceValue: '/w' }, ''), { target: 'workspace', value: '' });
  assert.deepEqual(modelUpdate({ globalValue: '/a', workspaceValue: '' }, '/b'), { target: 'workspace', value: '/b' });
});

test('a history that something else wrote does no harm', () => {
  assert.deepEqual(questionsFrom(undefined), []);
  assert.deepEqual(questionsFrom({ 0: 'a' }), []);
  assert.deepEqual(questionsFrom(['a', 5, ' ', null, 'b']), ['a', 'b']);
});

test('progress grows from 0 to 1 over the stages of a run', () => {
  const run: StageProgress[] = [
    { stage: 'queued', done: 0, total: 0 },
    { stage: 'image', done: 0, total: 1 },
    { stage: 'load', done: 0, total: 22 },
    { stage: 'load', done: 22, total: 22 },
    { stage: 'vision', done: 3, total: 8 },
    { stage: 'prefill', done: 12, total: 12 },
    { stage: 'decode', done: 9, total: 64 },
    { stage: 'decode', done: 64, total: 64 },
    { stage: 'write', done: 1, total: 1 },
  ];
  const fractions = run.map(fractionDone);
  assert.deepEqual(
    fractions,
    [...fractions].sort((a, b) => a - b),
  );
  assert.deepEqual([fractions[0], fractions.at(-1)], [0, 1]);
  assert.equal(
    fractionDone({ stage: 'vision', done: 9, total: 8 }),
    fractionDone({ stage: 'vision', done: 8, total: 8 }),
  );
});

test('the answer so far is shown by its end, on one line', () => {
  assert.equal(answerTail(' Four\nmoose ', 60), 'Four moose');
  assert.equal(answerTail('one two three', 8), '…o three');
  assert.equal(answerTail('one two three', 13), 'one two three');
});

test('folder settings may use the home folder, the workspace folder and relative paths', () => {
  const at = (setting: string, workspace?: string): string | undefined =>
    folderPath(setting, workspace, path.resolve('/home/me'));
  const workspace = path.resolve('/w/$&');
  assert.equal(at('~/models/llava'), path.resolve('/home/me/models/llava'));
  assert.equal(at('${workspaceFolder}/runs', workspace), path.join(workspace, 'runs'));
  assert.equal(at('runs', workspace), path.join(workspace, 'runs'));
  assert.equal(at(path.resolve('/data')), path.resolve('/data'));
  assert.equal(at('${workspaceFolder}/runs'), undefined);
  assert.equal(at('runs'), undefined);
  assert.equal(at('~me', workspace), path.join(workspace, '~me'));
});

test('images are known by their ending, in capitals too', () => {
  assert.deepEqual(['a.png', 'b.JPEG', 'c.fovea', 'png', 'd.png.txt'].map(isImageFile), [
    true,
    true,
    false,
    false,
    false,
  ]);
  assert.match(imageGlob, /^\*\*\/\*\.\{png,PNG,.*svg,SVG\}$/);
});

test('the tail of stderr keeps the end and starts at a whole line', () => {
  const tail = new OutputTail(20);
  tail.append(Buffer.from('short\n'));
  assert.equal(tail.text, 'short');
  tail.append(Buffer.from('a long first line\nthe last line\n'));
  assert.equal(tail.text, 'the last line');
});
