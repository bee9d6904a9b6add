/**
 * `npm run bench:ranks -- [options]`: LV-XAttn against its rivals on the paper's presets, on torch.distributed ranks. Writes
 * the jobs for these ranks, runs `python -m fovea_ranks.bench` on them, and makes a table of the traces.
 *
 *   --ranks 2          ranks on this host
 *   --scale 1          divides text and visual tokens; 64 fits a laptop
 *   --presets a,b      names of trace/traffic/presets.ts (llama3-v,mplug-owl3-7b,openflamingo-9b)
 *   --rows 1,2,3       rows of table 3 (1)
 *   --links none,3     GB/s of emulated links; "none" leaves them as they are (none)
 *   --element BF16     F32, F16 or BF16
 *   --repeat 5 --warmup 2 --seconds 600 --out fovea-runs/bench-ranks --python python3
 *   --write-jobs       renews native/torch/jobs, with which a machine without Node runs fovea_ranks.bench, and stops
 *   --jobs-only        writes the jobs of these options and stops: they are fovea_ranks.bench's --jobs
 *   --table-only       makes the tables of the traces that are there already
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { elementTypes } from '../../trace/traffic/schedule.ts';
import { benchPresets, committedRanks, presetJobs, smokeJobs } from './rank-jobs.ts';
import { linksTable, measuredTraffic, passesTable } from './ranks-table.ts';

const { values } = parseArgs({
  options: {
    ranks: { type: 'string', default: '2' },
    scale: { type: 'string', default: '1' },
    presets: { type: 'string', default: benchPresets.join(',') },
    rows: { type: 'string', default: '1' },
    links: { type: 'string', default: 'none' },
    element: { type: 'string', default: 'BF16' },
    repeat: { type: 'string', default: '5' },
    warmup: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '600' },
    out: { type: 'string', default: 'fovea-runs/bench-ranks' },
    python: { type: 'string', default: process.env['FOVEA_PYTHON'] ?? 'python3' },
    'write-jobs': { type: 'boolean', default: false },
    'jobs-only': { type: 'boolean', default: false },
    'table-only': { type: 'boolean', default: false },
  },
});

const packageFolder = fileURLToPath(new URL('../../native/torch', import.meta.url));

function writeJobs(folder: string, jobs: ReturnType<typeof presetJobs>): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const { name, job } of jobs) writeFileSync(path.join(folder, name), `${JSON.stringify(job)}\n`);
}

function chosenJobs(): ReturnType<typeof presetJobs> {
  const element = elementTypes.find(known => known === values.element);
  if (!element) throw new Error(`--element is ${values.element}; it must be one of ${elementTypes.join(', ')}.`);
  const rows = values.rows.split(',').map(Number);
  return presetJobs(Number(values.ranks), values.presets.split(','), rows, Number(values.scale), element);
}

function runBench(jobs: string): void {
  const { ranks, presets, rows, links, repeat, warmup, seconds, out, python } = values;
  const words = ['-m', 'fovea_ranks.bench', '--jobs', jobs, '--out', out];
  for (const [name, value] of Object.entries({ ranks, presets, rows, links, repeat, warmup, seconds })) {
    words.push(`--${name}`, value);
  }
  const env = { ...process.env, PYTHONPATH: packageFolder };
  const { status } = spawnSync(python, words, { env, stdio: 'inherit' });
  if (status !== 0) throw new Error(`Some cases failed; see ${path.join(out, 'log.txt')}.`);
}

async function writeTable(folder: string): Promise<void> {
  if (existsSync(path.join(folder, 'traces.tar'))) {
    spawnSync('tar', ['-xf', 'traces.tar'], { cwd: folder, stdio: 'inherit' });
  }
  const files = readdirSync(folder).filter(name => name.endsWith('.fovea'));
  if (files.length === 0) throw new Error(`There are no traces in ${folder}.`);
  const traces = await measuredTraffic(files.sort().map(name => path.join(folder, name)));
  const table = `${linksTable(traces)}\n${passesTable(traces)}`;
  writeFileSync(path.join(folder, 'table.md'), table);
  console.log(table);
}

if (values['write-jobs']) {
  writeJobs(path.join(packageFolder, 'jobs'), [...presetJobs(committedRanks), ...smokeJobs()]);
} else {
  const jobs = path.resolve(values.out, 'jobs');
  if (!values['table-only']) writeJobs(jobs, chosenJobs());
  if (!values['table-only'] && !values['jobs-only']) runBench(jobs);
  if (!values['jobs-only']) await writeTable(path.resolve(values.out));
}
