/** The extension's side of torch ranks: sizes and addresses as typed, the command, and what is made of the ranks' words. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { parseAddress, ranksWords, shellLine } from '../../extension/ranks/command-line.ts';
import { factsSentence, likelyInterpreters, probeInterpreter } from '../../extension/ranks/interpreters.ts';
import { RanksFailure, RanksReport, runRanks } from '../../extension/ranks/ranks-process.ts';
import { RunningRanks } from '../../extension/ranks/running-ranks.ts';
import { makeJob, parseSizes } from '../../extension/ranks/workload.ts';
import { expectedBytes } from '../../trace/traffic/formulas.ts';

test('sizes are read as people type them, and refused where they fit no attention', () => {
  const plain = parseSizes(' 512x8192 ', 'F32');
  assert.deepEqual([plain?.queries, plain?.keys, plain?.shape.queryHeads], [512, 8192, 8]);
  assert.deepEqual(parseSizes('512 × 8192, 32/8/128', 'BF16')?.shape, {
    queryHeads: 32,
    keyValueHeads: 8,
    headSize: 128,
  });
  for (const text of ['', '512', '0 x 10', '512 x 8192, 6/4/8', '512 x 8192, 6', '-1 x 5']) {
    assert.equal(parseSizes(text, 'F32'), undefined, text);
  }
});

test('a job compares LV-XAttn with ring attention, with repeated heads only where they differ', () => {
  const grouped = makeJob(parseSizes('10 x 40, 4/2/8', 'F16')!, 3, ['forward', 'backward']);
  assert.deepEqual(
    grouped.schedules.map(({ algorithm, pass, wire }) => [algorithm, pass, wire.repeatKeyValueHeads]),
    [
      ['lv-xattn', 'forward', false],
      ['lv-xattn', 'backward', false],
      ['ring', 'forward', false],
      ['ring', 'backward', false],
      ['ring', 'forward', true],
      ['ring', 'backward', true],
    ],
  );
  for (const { algorithm, pass, shape, sharding, wire, expectedBytes: carried } of grouped.schedules) {
    assert.deepEqual(carried, expectedBytes(algorithm, pass, { shape, sharding, wire }));
  }
  assert.deepEqual(grouped.workload?.sharding.queryRows, [4, 3, 3]);
  assert.equal(makeJob(parseSizes('10 x 40, 4/4/8', 'F16')!, 3, ['forward']).schedules.length, 2);
});

test('the command can be pasted into a shell, for one host and for several', () => {
  const one = ranksWords({ ranksPerHost: 4, job: "/a b/it's.json", out: 'lv.fovea' });
  assert.equal(
    shellLine('/usr/bin/python3', '/ext/native/torch', one),
    "PYTHONPATH=/ext/native/torch /usr/bin/python3 -m fovea_ranks --ranks 4 --schedule '/a b/it'\\''s.json' --out lv.fovea --repeat 5 --warmup 2",
  );
  const hosts = { count: 2, address: 'gpu-1', port: 29_500 };
  const second = ranksWords({ ranksPerHost: 8, job: 'j', out: 'o', hosts }, 1).join(' ');
  assert.match(second, /--ranks 8 --hosts 2 --host 1 --address gpu-1 --port 29500/);
  assert.deepEqual(parseAddress('gpu-1'), { address: 'gpu-1', port: 29_500 });
  assert.deepEqual(parseAddress('[fe80::1]:4000'), { address: 'fe80::1', port: 4000 });
  for (const text of ['', 'a b', 'gpu-1:0', 'gpu-1:70000', '$(x)']) assert.equal(parseAddress(text), undefined, text);
});

const quiet = { progress: (): void => undefined, note: (): void => undefined };

test('the first error of the ranks is the cause, and what they kept comes with it', () => {
  const report = new RanksReport(quiet);
  report.output('{"type":"trace","path":"/t/partial.fovea","partial":true}\n{"type":"error","code":"rank-lost",');
  report.output('"message":"Rank 2 was lost.","hint":"Run again."}\n{"type":"error","code":"x","message":"later"}\n');
  assert.throws(
    () => report.outcome('exit code 9', false),
    (error: unknown) =>
      error instanceof RanksFailure &&
      error.code === 'rank-lost' &&
      error.message === 'Rank 2 was lost.' &&
      error.trace === '/t/partial.fovea',
  );
});

test('an interpreter that breaks without a word of ours is quoted', () => {
  const report = new RanksReport(quiet);
  report.output('no JSON here\n{broken\n');
  report.error('Fatal Python error: init_fs_encoding\nModuleNotFoundError: No module named encodings\n');
  assert.throws(
    () => report.outcome('exit code 1', false),
    (error: unknown) =>
      error instanceof RanksFailure &&
      error.code === 'ended' &&
      error.system === 'exit code 1: ModuleNotFoundError: No module named encodings',
  );
});

test('failed checks of a finished run are handed on with its trace', () => {
  const report = new RanksReport(quiet);
  report.output('{"type":"trace","path":"/t/a.fovea","partial":false}\n');
  report.output(
    '{"type":"result","runs":[{"failedChecks":[{"name":"bytes","message":"1 too many"}]},{"failedChecks":[]}]}\n',
  );
  assert.deepEqual(report.outcome('exit code 11', false), { trace: '/t/a.fovea', failedChecks: ['bytes: 1 too many'] });
});

test('a program that is not there, and one that is no Python, are said to be that', async () => {
  const command = { interpreter: '/nowhere/python3', words: [], packageFolder: '/nowhere' };
  await assert.rejects(
    runRanks(command, quiet, new AbortController().signal),
    (error: unknown) =>
      error instanceof RanksFailure && error.code === 'not-started' && /ENOENT/.test(error.system ?? ''),
  );
  assert.deepEqual((await probeInterpreter('/nowhere/python3')).problem, { kind: 'missing' });
  const node = await probeInterpreter(process.execPath);
  assert.equal(node.torch, undefined);
  assert.notEqual(node.problem, undefined);
});

test('interpreters are offered once each, with what ranks would run on', () => {
  assert.deepEqual(likelyInterpreters(['/venv/python', undefined, 'python3'], 'linux'), [
    '/venv/python',
    'python3',
    '/usr/bin/python3',
  ]);
  const facts = { python: '3.11', torch: '2.4.0', problem: undefined, gpus: ['NVIDIA H200', 'NVIDIA H200'] };
  assert.equal(factsSentence(facts, 'none'), 'PyTorch 2.4.0, 2 × NVIDIA H200');
  assert.equal(factsSentence({ ...facts, gpus: [] }, 'none'), 'PyTorch 2.4.0, none');
});

test('ranks that are running when the window closes are ended', async () => {
  const running = new RunningRanks();
  // Stands for a Python that never comes to an end by itself; both arguments of the real command are ignored by it.
  const script = path.join(mkdtempSync(path.join(tmpdir(), 'fovea-endless-')), 'python');
  writeFileSync(
    script,
    '#!/bin/sh\necho $$ >"$0.pid"\necho "{\\"type\\":\\"note\\",\\"text\\":\\"up\\"}"\nexec sleep 600\n',
    {
      mode: 0o755,
    },
  );
  const outcome = running.during(control =>
    runRanks(
      { interpreter: script, words: [], packageFolder: '/nowhere' },
      {
        progress: () => undefined,
        note: () => {
          running.dispose();
        },
      },
      control.signal,
    ),
  );
  await assert.rejects(outcome, (error: unknown) => error instanceof RanksFailure && error.code === 'cancelled');
  const pid = Number(readFileSync(`${script}.pid`, 'utf8'));
  assert.throws(() => process.kill(pid, 0), /ESRCH/);
  rmSync(path.dirname(script), { recursive: true });
});
