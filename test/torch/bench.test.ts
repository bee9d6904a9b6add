/** The benchmark that needs nothing but Python: a case that breaks is put down with its cause, and the others are measured. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import type { Schedule } from '../../trace/traffic/schedule.ts';
import { failures, makeJob, packageFolder, python, readTraffic, scratch, writeJob } from './ranks-rig.ts';

const space = scratch();
after(() => {
  space.remove();
});

interface Results {
  readonly cases: readonly { readonly name: string; readonly state: string; readonly error?: string }[];
  readonly starts: readonly { readonly cases: number }[];
}

const sizes = {
  shape: { queryHeads: 4, keyValueHeads: 2, headSize: 8 },
  sharding: { queryRows: [6, 7], keyRows: [20, 30] },
};

/** Rank 1 attends to the other rank's keys, which never come to it. */
function broken(schedule: Schedule): Schedule {
  const programs = schedule.programs.map(program => ({
    ...program,
    operations: program.operations.map(operation =>
      operation.op === 'attend' && program.rank === 1 ? { ...operation, keys: [0] } : operation,
    ),
  }));
  return { ...schedule, programs };
}

await test('a case that breaks, one that is missing, and one that does not fit the time leave the others alone', async () => {
  const jobs = space.file('jobs');
  const out = space.file('out');
  mkdirSync(jobs);
  const job = makeJob(sizes, [{ algorithm: 'lv-xattn' }, { algorithm: 'ring' }]);
  const [first, ...others] = job.schedules;
  const wrong = { schedules: [{ ...broken(first!), expectedBytes: first!.expectedBytes }, ...others] };
  writeJob(path.join(jobs, 'breaks-1.ranks-2.json'), wrong);
  writeJob(path.join(jobs, 'works-1.ranks-2.json'), job);
  const presets = ['--presets', 'breaks,missing,works', '--rows', '1', '--links', 'none,0.000000001'];
  const words = ['--repeat', '1', '--warmup', '0', '--seconds', '60', '--device', 'cpu', '--jobs', jobs, '--out', out];
  const { status, stderr } = spawnSync(python, ['-m', 'fovea_ranks.bench', ...presets, ...words], {
    env: { ...process.env, PYTHONPATH: packageFolder, PYTHONDONTWRITEBYTECODE: '1' },
    encoding: 'utf8',
  });
  assert.equal(status, 1, stderr);
  const { cases, starts } = JSON.parse(readFileSync(path.join(out, 'results.json'), 'utf8')) as Results;
  const states = Object.fromEntries(cases.map(({ name, state }) => [name, state]));
  assert.equal(states['breaks-1 link none'], 'failed');
  assert.match(
    cases.find(({ name }) => name === 'breaks-1 link none')?.error ?? '',
    /Rank 1 counts shard 0 twice for query block 0/,
  );
  assert.equal(states['missing-1 link none'], 'failed');
  assert.equal(states['works-1 link none'], 'done');
  // A link of a byte a second would take longer than all the time there is.
  assert.equal(states['works-1 link 0.000000001'], 'omitted');
  assert.equal(starts.length, 2, 'the ranks start anew after a failure, and only then');

  const traces = spawnSync('tar', ['-xf', 'traces.tar'], { cwd: out });
  assert.equal(traces.status, 0);
  const { metadata } = await readTraffic(path.join(out, 'works-1-link-none.fovea'));
  assert.equal(metadata.runs.length, 4);
  for (const run of metadata.runs) assert.deepEqual(failures(run), []);
});
