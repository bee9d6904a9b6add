/** A fresh process each time: what a user of `fovea analyze` waits for, and what it takes in memory. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { sample, projectFolder } from './sample.ts';

export interface ColdStart {
  /** From starting the process to its end, wall clock. */
  readonly milliseconds: number;
  /** Opening the weights and making a session of every layer, as the run itself says. */
  readonly loading: number;
  readonly peakBytes: number;
  readonly traceBytes: number;
}

export async function coldStart(folder: string): Promise<ColdStart> {
  const trace = path.join(folder, 'cold.fovea');
  fs.rmSync(trace, { force: true });
  const preload = path.join(projectFolder, 'test/bench/report-peak-memory.cjs');
  const cli = path.join(projectFolder, 'dist/cli.cjs');
  const args = [
    '--require',
    preload,
    cli,
    'analyze',
    sample.image,
    '--question',
    sample.question,
    '--out',
    trace,
    '--json',
  ];
  const start = performance.now();
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit', 'pipe'] });
  let peak = '';
  let result = '';
  child.stdout?.on('data', (chunk: Buffer) => (result += chunk.toString()));
  child.stdio[3]?.on('data', (chunk: Buffer) => (peak += chunk.toString()));
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const milliseconds = performance.now() - start;
  if (status !== 0) throw new Error(`fovea analyze ended with status ${String(status)}.`);
  const { ms } = JSON.parse(result) as { ms: { load: number } };
  return { milliseconds, loading: ms.load, peakBytes: Number(peak) * 1024, traceBytes: fs.statSync(trace).size };
}
