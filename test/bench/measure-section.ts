/** Writes one section of docs/benchmarks.md; the others stay as they are. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { format, resolveConfig } from 'prettier';
import { projectFolder } from './sample.ts';
import { withSection } from './sections.ts';

/** @param measure is given a folder for its files and the date; returns the section, its heading included */
export async function measureSection(
  heading: string,
  measure: (folder: string, date: string) => Promise<string>,
): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fovea-bench-'));
  try {
    const section = await measure(folder, new Date().toISOString().slice(0, 10));
    const file = path.join(projectFolder, 'docs/benchmarks.md');
    const page = withSection(fs.readFileSync(file, 'utf8'), heading, section);
    fs.writeFileSync(file, await format(page, { ...(await resolveConfig(file)), filepath: file }));
    console.log(`\n${section}`);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
