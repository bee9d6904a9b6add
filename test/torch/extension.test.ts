/** The extension's client on real ranks: progress, the finished trace, and Cancel. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, describe, test } from 'node:test';
import { ranksWords } from '../../extension/ranks/command-line.ts';
import { probeInterpreter } from '../../extension/ranks/interpreters.ts';
import { RanksFailure, type RanksProgress, runRanks } from '../../extension/ranks/ranks-process.ts';
import { makeJob, parseSizes } from '../../extension/ranks/workload.ts';
import { failures, isAlive, packageFolder, python, readTraffic, scratch, writeJob } from './ranks-rig.ts';

const space = scratch();
after(() => {
  space.remove();
});

await describe('the extension and torch ranks', async () => {
  await test('the interpreter of the tests is found to have PyTorch', async () => {
    const { torch, problem } = await probeInterpreter(python);
    assert.deepEqual([problem, typeof torch], [undefined, 'string']);
  });

  await test('a job of the extension runs, tells its progress, and its trace passes all checks', async () => {
    const job = writeJob(
      space.file('job.json'),
      makeJob(parseSizes('32 x 512, 4/2/16', 'F32')!, 2, ['forward', 'backward']),
    );
    const out = space.file('run.fovea');
    const told: RanksProgress[] = [];
    const listener = { progress: (progress: RanksProgress) => told.push(progress), note: (): void => undefined };
    const command = { interpreter: python, words: ranksWords({ ranksPerHost: 2, job, out }), packageFolder };
    const outcome = await runRanks(command, listener, new AbortController().signal);
    assert.deepEqual(outcome, { trace: out, failedChecks: [] });
    const { metadata } = await readTraffic(out);
    assert.equal(metadata.workload.name, '32 queries × 512 keys');
    assert.equal(metadata.runs.length, 6);
    for (const run of metadata.runs) {
      assert.deepEqual(failures(run), []);
      assert.deepEqual([run.repeats.warmups, run.repeats.totals.length], [2, 5]);
    }
    assert.ok(told.length > 0 && told.every(({ done, total }) => done <= total));
  });

  await test('Cancel ends the ranks and keeps what they sent', async () => {
    const job = writeJob(space.file('long.json'), makeJob(parseSizes('32 x 512, 4/2/16', 'F32')!, 2, ['forward']));
    const words = [...ranksWords({ ranksPerHost: 2, job, out: space.file('long.fovea') }), '--throttle', '0.000001'];
    const control = new AbortController();
    const listener = {
      progress: (): void => {
        setTimeout(() => {
          control.abort();
        }, 1_000);
      },
      note: (): void => undefined,
    };
    await assert.rejects(
      runRanks({ interpreter: python, words: [...words, '--no-check'], packageFolder }, listener, control.signal),
      (error: unknown) =>
        error instanceof RanksFailure && error.code === 'cancelled' && error.trace === space.file('long.fovea'),
    );
    assert.equal((await readTraffic(space.file('long.fovea'))).metadata.status.state, 'partial');
  });

  await test('a window that is killed takes its ranks along', async () => {
    const job = writeJob(space.file('orphan.json'), makeJob(parseSizes('32 x 512, 4/2/16', 'F32')!, 2, ['forward']));
    const words = [...ranksWords({ ranksPerHost: 2, job, out: space.file('orphan.fovea') }), '--throttle', '0.000001'];
    const ranks = ['-m', 'fovea_ranks', ...words, '--no-check', '--end-with-parent'];
    const script = `require('node:child_process').spawn(${JSON.stringify(python)}, ${JSON.stringify(ranks)}, { stdio: ['ignore', 'inherit', 'inherit'] })`;
    const window = spawn(process.execPath, ['-e', script], {
      env: { ...process.env, PYTHONPATH: packageFolder },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const processes = await new Promise<number[]>(resolve => {
      let text = '';
      window.stdout.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        const line = text.split('\n').find(one => one.includes('"type":"ranks"') && one.endsWith('}'));
        if (line) resolve((JSON.parse(line) as { members: { process: number }[] }).members.map(one => one.process));
      });
    });
    assert.equal(processes.length, 2);
    window.kill('SIGKILL');
    // Its output is theirs: it closes when the last of them is gone.
    await once(window, 'close');
    for (const id of processes) assert.equal(isAlive(id), false);
  });
});
