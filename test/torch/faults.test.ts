/** What can go wrong with ranks: every failure is named within seconds, leaves no process behind, and keeps the ledger. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, describe, test } from 'node:test';
import type { Schedule } from '../../trace/traffic/schedule.ts';
import {
  type Finished,
  isAlive,
  makeJob,
  python,
  readTraffic,
  scratch,
  start,
  type Started,
  writeJob,
} from './ranks-rig.ts';

const shape = { queryHeads: 4, keyValueHeads: 2, headSize: 8 };
const sizes = { shape, sharding: { queryRows: [6, 7, 8], keyRows: [20, 30, 40] } };
const space = scratch();
after(() => {
  space.remove();
});
const job = makeJob(sizes, [{ algorithm: 'lv-xattn' }, { algorithm: 'ring' }]);
const schedule = writeJob(space.file('job.json'), job);
/** 0.4 MB a second would be over at once; this lets the job above take half a minute. */
const slow = ['--throttle', '0.0000015', '--no-check'];

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly rank: number;
}

function errorOf({ lines, stderr }: Finished): Failure {
  const line = lines.find(({ type }) => type === 'error');
  assert.ok(line, `no error was said\n${stderr}`);
  return line as unknown as Failure;
}

interface Running extends Started {
  readonly processes: readonly number[];
  readonly out: string;
}

/** Three ranks in mid-run: several messages were sent and many are to come. */
async function running(name: string): Promise<Running> {
  const out = space.file(`${name}.fovea`);
  const words = ['-m', 'fovea_ranks', '--ranks', '3', '--schedule', schedule, '--out', out, ...slow, '--silence', '5'];
  const started = start(words);
  const { members } = (await started.line('ranks')) as unknown as { members: { rank: number; process: number }[] };
  await started.line('progress');
  await sleep(1_500);
  return { ...started, out, processes: members.map(({ process }) => process) };
}

async function assertGone(processes: readonly number[]): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (processes.some(isAlive) && performance.now() < deadline) await sleep(50);
  assert.deepEqual(processes.filter(isAlive), [], 'ranks that outlived the run');
}

/** The trace opens, says why it is partial, and holds what was sent. */
async function assertPartial(out: string, code: string): Promise<void> {
  const { metadata, ledger } = await readTraffic(out);
  assert.ok(metadata.status.state === 'partial');
  assert.equal(metadata.status.cause.code, code);
  assert.ok(metadata.runs.some(({ status }) => status.state === 'partial'));
  assert.ok(ledger.transfers.length > 0);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  const address = server.address();
  await new Promise(resolve => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

/** One rank without a launcher, as a scheduler of a cluster would start it. */
function lone(rank: number, ranks: number, port: number, words: readonly string[], interpreter?: string[]): Started {
  const environment = {
    RANK: String(rank),
    WORLD_SIZE: String(ranks),
    MASTER_ADDR: '127.0.0.1',
    MASTER_PORT: String(port),
    OMP_NUM_THREADS: '1',
  };
  return start(['-m', 'fovea_ranks', ...words], { environment, ...(interpreter && { interpreter }) });
}

await describe(
  'faults of torch ranks',
  { skip: process.platform !== 'linux' && 'looks processes up in /proc' },
  async () => {
    for (const [victim, name] of [
      [2, 'the last rank'],
      [0, 'rank 0, which writes the trace,'],
    ] as const) {
      await test(`${name} killed in mid-run is named, the others end, and the ledger is kept`, async () => {
        const { processes, finished, out } = await running(`killed-${victim}`);
        process.kill(processes[victim]!, 'SIGKILL');
        const end = await finished;
        const error = errorOf(end);
        assert.deepEqual([error.code, error.rank], ['rank-lost', victim]);
        assert.match(error.message, new RegExp(`Rank ${victim} was lost in mid-run`));
        assert.equal(end.code, 9);
        await assertGone(processes);
        await assertPartial(out, 'rank-lost');
      });
    }

    await test('a frozen rank is found by its silence and ended', async () => {
      const { processes, finished, out } = await running('frozen');
      process.kill(processes[1]!, 'SIGSTOP');
      const end = await finished;
      assert.deepEqual([errorOf(end).code, errorOf(end).rank], ['rank-lost', 1]);
      await assertGone(processes);
      await assertPartial(out, 'rank-lost');
    });

    await test('cancelling ends all ranks and keeps the ledger, marked as cancelled', async () => {
      const { child, processes, finished, out } = await running('cancelled');
      child.kill('SIGTERM');
      const end = await finished;
      assert.equal(errorOf(end).code, 'cancelled');
      assert.equal(end.code, 130);
      await assertGone(processes);
      await assertPartial(out, 'cancelled');
    });

    await test('ranks do not outlive a launcher that was killed', async () => {
      const { child, processes, finished } = await running('orphans');
      child.kill('SIGKILL');
      await finished;
      await assertGone(processes);
    });

    await test('a rank that never starts is named', async () => {
      const port = await freePort();
      const words = ['--schedule', schedule, '--out', space.file('missing.fovea'), '--join-timeout', '3'];
      const ends = await Promise.all([0, 1].map(rank => lone(rank, 3, port, words).finished));
      for (const end of ends) assert.notEqual(end.code, 0);
      const { code, message } = errorOf(ends[0]!);
      assert.deepEqual([code, message], ['rank-missing', 'Rank 2 of 3 did not start within 3 s.']);
    });

    await test('ranks that were given different schedules refuse to run', async () => {
      const other = writeJob(space.file('other.json'), makeJob(sizes, [{ algorithm: 'ring' }]));
      const port = await freePort();
      const out = ['--out', space.file('different.fovea')];
      const ends = await Promise.all(
        [0, 1, 2].map(rank => lone(rank, 3, port, ['--schedule', rank === 1 ? other : schedule, ...out]).finished),
      );
      assert.ok(ends.every(({ code }) => code === 5));
      assert.match(errorOf(ends[1]!).message, /was given another schedule/);
    });

    await test('a schedule for another number of ranks is refused before anything is sent', async () => {
      const end = await start([
        '-m',
        'fovea_ranks',
        '--ranks',
        '2',
        '--schedule',
        schedule,
        '--out',
        space.file('n.fovea'),
      ]).finished;
      const { code, message } = errorOf(end);
      assert.deepEqual([code, message], ['sizes', 'job is a schedule for 3 ranks, but 2 were started.']);
      assert.equal(end.code, 5);
    });

    await test('a trace that cannot be written is told before anything runs, and ends all ranks', async () => {
      writeFileSync(space.file('no-folder'), '');
      const out = space.file('no-folder/run.fovea');
      const end = await start(['-m', 'fovea_ranks', '--ranks', '3', '--schedule', schedule, '--out', out]).finished;
      const { code, message } = errorOf(end);
      assert.deepEqual([code, end.code], ['disk', 12]);
      assert.match(message, /run\.fovea: (Not a directory|File exists)/);
      assert.ok(!end.lines.some(({ type }) => type === 'progress'));
    });

    await test('a folder that goes away in mid-run costs the trace, and ends all ranks all the same', async () => {
      const folder = space.file('going');
      mkdirSync(folder);
      const { child, processes, finished } = await running('going/run');
      rmSync(folder, { recursive: true });
      writeFileSync(folder, 'a file stands there now');
      child.kill('SIGTERM');
      const end = await finished;
      assert.equal(errorOf(end).code, 'cancelled');
      assert.ok(end.lines.some(({ type, text }) => type === 'note' && /could not be kept/.test(String(text))));
      assert.ok(!end.lines.some(({ type }) => type === 'trace'));
      await assertGone(processes);
    });

    await test('one rank out of memory is named, and ends the others', async () => {
      const large = { shape, sharding: { queryRows: [6, 7], keyRows: [20, 40_000_000] } };
      const file = writeJob(space.file('large.json'), makeJob(large, [{ algorithm: 'lv-xattn', passes: ['forward'] }]));
      const port = await freePort();
      const words = ['--schedule', file, '--out', space.file('large.fovea'), '--no-check'];
      // 2.5 GB of keys on rank 1, whose shell allows 3 GB in all.
      const limited = ['bash', '-c', 'ulimit -v 3000000; exec "$0" "$@"', python];
      const ends = await Promise.all([lone(0, 2, port, words).finished, lone(1, 2, port, words, limited).finished]);
      const error = errorOf(ends[0]);
      assert.deepEqual([error.code, error.rank], ['out-of-memory', 1]);
      assert.match(error.hint, /more ranks or smaller sizes/);
      for (const { code } of ends) assert.notEqual(code, 0);
    });

    await test('bytes that miss the formula, and outputs that miss the reference, fail the run but keep its trace', async () => {
      const [first] = makeJob(sizes, [{ algorithm: 'lv-xattn', passes: ['forward'] }]).schedules;
      const expectedBytes = { ...first!.expectedBytes, Q: first!.expectedBytes.Q!.map(bytes => bytes + 1) };
      const file = writeJob(space.file('miscounted.json'), { schedules: [{ ...first!, expectedBytes }] });
      const out = space.file('miscounted.fovea');
      const end = await start(['-m', 'fovea_ranks', '--ranks', '3', '--schedule', file, '--out', out]).finished;
      assert.equal(end.code, 11);
      const { metadata } = await readTraffic(out);
      const wrong = metadata.runs[0]!.checks.filter(({ passed }) => !passed);
      assert.deepEqual(
        wrong.map(({ name }) => name),
        ['bytes'],
      );
    });

    await test('a schedule that counts a shard twice, or leaves one out, is refused', async () => {
      const [first] = makeJob(sizes, [{ algorithm: 'lv-xattn', passes: ['forward'] }]).schedules;
      const broken: Schedule = {
        ...first!,
        programs: first!.programs.map(({ rank, operations }) => ({
          rank,
          operations: operations.map(operation =>
            operation.op === 'attend' && rank === 1 ? { ...operation, keys: [] } : operation,
          ),
        })),
      };
      const file = writeJob(space.file('broken.json'), broken);
      const end = await start(['-m', 'fovea_ranks', '--ranks', '3', '--schedule', file, '--out', space.file('b.fovea')])
        .finished;
      const { code, message } = errorOf(end);
      assert.equal(code, 'schedule');
      assert.match(message, /does not come home complete/);
      assert.equal(end.code, 4);
    });

    await test('numbers that make no run are refused by name', async () => {
      const words = ['-m', 'fovea_ranks', '--schedule', schedule, '--out', space.file('never.fovea')];
      for (const wrong of [
        ['--ranks', '0'],
        ['--ranks', '3', '--warmup', '-1'],
        ['--ranks', '3', '--throttle', '0'],
      ]) {
        const end = await start([...words, ...wrong]).finished;
        assert.deepEqual([errorOf(end).code, end.code], ['usage', 2]);
        assert.ok(errorOf(end).message.startsWith(wrong.at(-2)!), errorOf(end).message);
      }
    });

    await test('no GPU, no PyTorch and no such schedule are said with what to do next', async () => {
      const words = ['-m', 'fovea_ranks', '--ranks', '3', '--schedule', schedule, '--out', space.file('never.fovea')];
      const withoutTorch = await start(words, { interpreter: [python, '-S'] }).finished;
      assert.equal(withoutTorch.code, 3);
      assert.match(errorOf(withoutTorch).hint, /apt install python3-torch/);
      const nowhere = await start([...words, '--schedule', space.file('nowhere.json')]).finished;
      assert.equal(nowhere.code, 4);
      assert.equal(errorOf(nowhere).code, 'schedule');
      const gpus = spawnSync(python, ['-c', 'import torch; exit(torch.cuda.is_available())']);
      if (gpus.status !== 0) return;
      const withoutGpu = await start([...words, '--device', 'cuda']).finished;
      assert.equal(withoutGpu.code, 6);
      assert.match(errorOf(withoutGpu).message, /--device cuda was asked for/);
    });
  },
);
