/**
 * `npm run bench:ranks -- [options]`: LV-XAttn against ring attention on the paper's presets, under torchrun, in one run
 * for each link speed. Writes traces and a table. Rows per rank are those of the paper's tables divided by --scale.
 *
 *   --ranks 2          ranks on this host
 *   --scale 1          divides text and visual tokens; 64 fits a laptop
 *   --presets a,b      names of trace/traffic/presets.ts (llama3-v,mplug-owl3-7b,openflamingo-9b)
 *   --rows 1,2,3       rows of table 3 (1)
 *   --links none,3     GB/s of emulated links; "none" leaves them as they are (none)
 *   --element BF16     F32, F16 or BF16
 *   --repeat 5 --warmup 2 --out docs/output --python python3
 *   --jobs-only        writes the jobs and stops: they run anywhere with python -m fovea_ranks --bench FOLDER
 *   --table-only       makes the table of traces that are there already
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { jobSchedules, type RanksJob } from '../../trace/traffic/job.ts';
import { presetRanks, presets } from '../../trace/traffic/presets.ts';
import { type ElementType, elementTypes, passes } from '../../trace/traffic/schedule.ts';
import { defaultWire, splitEvenly } from '../../trace/traffic/sizes.ts';
import { ranksTable } from './ranks-table.ts';

const { values } = parseArgs({
  options: {
    ranks: { type: 'string', default: '2' },
    scale: { type: 'string', default: '1' },
    presets: { type: 'string', default: 'llama3-v,mplug-owl3-7b,openflamingo-9b' },
    rows: { type: 'string', default: '1' },
    links: { type: 'string', default: 'none' },
    element: { type: 'string', default: 'BF16' },
    repeat: { type: 'string', default: '5' },
    warmup: { type: 'string', default: '2' },
    out: { type: 'string', default: 'fovea-runs/bench-ranks' },
    python: { type: 'string', default: process.env['FOVEA_PYTHON'] ?? 'python3' },
    'jobs-only': { type: 'boolean', default: false },
    'table-only': { type: 'boolean', default: false },
  },
});

const packageFolder = fileURLToPath(new URL('../../native/torch', import.meta.url));
const [ranks, scale] = [Number(values.ranks), Number(values.scale)];
const element = elementTypes.find(known => known === values.element);
if (!element) throw new Error(`--element is ${values.element}; it must be one of ${elementTypes.join(', ')}.`);

/** One row of table 3 with as many text and visual tokens per rank as there, divided by `scale`. */
function presetJob(name: string, row: number, type: ElementType): RanksJob {
  const preset = presets.find(known => known.name === name);
  const size = preset?.sizes.a100[row - 1];
  if (!preset || !size) throw new Error(`There is no row ${row} of a preset "${name}".`);
  const share = (tokens: number): number[] =>
    splitEvenly(Math.max(ranks, Math.round((tokens * ranks) / presetRanks.a100 / scale)), ranks);
  const sharding = { queryRows: share(size.queries), keyRows: share(size.keys) };
  const { shape, layers, unverified, title } = preset;
  const wire = { ...defaultWire, element: type };
  const schedules = jobSchedules({ shape, sharding }, [
    { algorithm: 'lv-xattn', wire, passes },
    { algorithm: 'ring', wire, passes },
    ...(shape.queryHeads === shape.keyValueHeads
      ? []
      : [{ algorithm: 'ring' as const, wire: { ...wire, repeatKeyValueHeads: true }, passes }]),
  ]);
  const workload = {
    name: `${title}, ${size.label}, ${ranks} of 16 ranks${scale === 1 ? '' : `, tokens divided by ${scale}`}`,
    source: 'preset' as const,
    description: 'seeded normal noise',
    shape,
    sharding,
    element: type,
    layers,
    mask: 'none' as const,
    ...(scale !== 1 && { scaledBy: scale }),
    ...(unverified.length > 0 && { unverified }),
  };
  return { workload, schedules };
}

function writeJobs(folder: string, type: ElementType): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of values.presets.split(',')) {
    for (const row of values.rows.split(',')) {
      const job = presetJob(name, Number(row), type);
      writeFileSync(path.join(folder, `${name}-${row}.json`), JSON.stringify(job));
    }
  }
}

function runJobs(jobs: string, link: string): void {
  const out = path.join(values.out, `link-${link}`);
  const words = ['-m', 'fovea_ranks', '--ranks', String(ranks), '--bench', jobs, '--out', out];
  words.push('--repeat', values.repeat, '--warmup', values.warmup, ...(link === 'none' ? [] : ['--throttle', link]));
  console.log(`links ${link}: ${values.python} ${words.join(' ')}`);
  const env = { ...process.env, PYTHONPATH: packageFolder };
  const { status } = spawnSync(values.python, words, { env, stdio: 'inherit' });
  if (status !== 0) throw new Error(`The ranks ended with ${status}.`);
}

const jobs = path.join(values.out, 'jobs');
if (!values['table-only']) {
  writeJobs(jobs, element);
  if (!values['jobs-only']) for (const link of values.links.split(',')) runJobs(jobs, link);
}
if (!values['jobs-only']) {
  const folders = readdirSync(values.out).filter(name => name.startsWith('link-'));
  const files = folders.flatMap(folder =>
    readdirSync(path.join(values.out, folder))
      .filter(name => name.endsWith('.fovea'))
      .map(name => path.join(values.out, folder, name)),
  );
  if (files.length === 0 || !existsSync(files[0]!)) throw new Error(`There are no traces in ${values.out}.`);
  const table = await ranksTable(files.sort());
  writeFileSync(path.join(values.out, 'table.md'), table);
  console.log(table);
}
