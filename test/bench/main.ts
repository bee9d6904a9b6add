/** `npm run bench`: measures and writes docs/benchmarks.md. Leave the machine alone meanwhile. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { format, resolveConfig } from 'prettier';
import { ensureChromium } from '../chromium.mjs';
import { setupEditor } from '../e2e/setup.mjs';
import { coldStart, type ColdStart } from './command-line.ts';
import { panelTimings, type PanelTimings } from './panel-timings.ts';
import { benchmarkPage } from './report.ts';
import { projectFolder } from './sample.ts';
import { sectionsOf } from './sections.ts';
import { warmRuns } from './warm-runs.ts';

const runs = { cold: 7, warm: 60, panel: 3 };

async function repeat<T>(count: number, what: string, measure: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let run = 1; run <= count; run++) {
    console.log(`${what}, ${run} of ${count}`);
    results.push(await measure());
  }
  return results;
}

process.env['CHROMIUM'] = await ensureChromium();
await setupEditor('newest');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fovea-bench-'));
try {
  const cold: ColdStart[] = await repeat(runs.cold, 'fresh process', () => coldStart(folder));
  console.log(`model in memory, ${runs.warm} times with and without tracing`);
  const warm = await warmRuns(folder, runs.warm);
  const panels: PanelTimings[] = await repeat(runs.panel, 'panel', panelTimings);
  const measured = benchmarkPage({ cold, warm, panels, date: new Date().toISOString().slice(0, 10) });
  const file = path.join(projectFolder, 'docs/benchmarks.md');
  const page = await format(measured + sectionsOf(fs.readFileSync(file, 'utf8')), {
    ...(await resolveConfig(file)),
    filepath: file,
  });
  fs.writeFileSync(file, page);
  console.log(`\n${page}`);
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
