/** What a machine without Node measures is what this version schedules: the jobs in native/torch/jobs are not out of date. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { committedRanks, presetJobs, smokeJobs } from '../bench/rank-jobs.ts';

const folder = new URL('../../native/torch/jobs/', import.meta.url);

await test('the committed jobs are those that schedules and formulas give now', () => {
  const jobs = [...presetJobs(committedRanks), ...smokeJobs()];
  assert.deepEqual(readdirSync(fileURLToPath(folder)).sort(), jobs.map(({ name }) => name).sort());
  for (const { name, job } of jobs) {
    const committed: unknown = JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
    assert.deepEqual(committed, JSON.parse(JSON.stringify(job)), `${name}: npm run bench:ranks -- --write-jobs`);
  }
});
