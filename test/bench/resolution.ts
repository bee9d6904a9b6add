/** `npm run bench:resolution`: measures FlexAttention beside its rivals and writes its section of docs/benchmarks.md. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { format, resolveConfig } from 'prettier';
import { highResolutionHeading, highResolutionSection } from './high-resolution-report.ts';
import { highResolutionTimings } from './high-resolution.ts';
import { projectFolder } from './sample.ts';
import { withSection } from './sections.ts';

const rounds = 3;

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fovea-bench-'));
try {
  const section = highResolutionSection(
    await highResolutionTimings(folder, rounds),
    new Date().toISOString().slice(0, 10),
  );
  const file = path.join(projectFolder, 'docs/benchmarks.md');
  const page = withSection(fs.readFileSync(file, 'utf8'), highResolutionHeading, section);
  fs.writeFileSync(file, await format(page, { ...(await resolveConfig(file)), filepath: file }));
  console.log(`\n${section}`);
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
