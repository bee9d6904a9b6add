/** Starts torch ranks as a user does, on jobs written from Fovea's own schedules. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { openTrafficFile } from '../../trace/file.ts';
import { jobSchedules, type RanksJob } from '../../trace/traffic/job.ts';
import type { Ledger } from '../../trace/traffic/ledger.ts';
import { rowTotal, type TrafficMetadata, type TrafficRun } from '../../trace/traffic/metadata.ts';
import { type Algorithm, type Pass, passes, type WireOptions } from '../../trace/traffic/schedule.ts';
import { defaultWire, type Sizes } from '../../trace/traffic/sizes.ts';
import { findPython } from './python.mjs';

export const packageFolder = fileURLToPath(new URL('../../native/torch', import.meta.url));
export const python = findPython() ?? 'python3';

/** A folder that goes with the test. */
export function scratch(): { readonly folder: string; file(name: string): string; remove(): void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'fovea-ranks-'));
  return {
    folder,
    file: name => path.join(folder, name),
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export interface Variant {
  readonly algorithm: Algorithm;
  readonly wire?: Partial<WireOptions>;
  readonly passes?: readonly Pass[];
}

export function makeJob(
  sizes: Omit<Sizes, 'wire'>,
  variants: readonly Variant[],
  visible?: RanksJob['visible'],
): RanksJob {
  const full = variants.map(({ algorithm, wire, passes: wanted = passes }) => ({
    algorithm,
    wire: { ...defaultWire, ...wire },
    passes: wanted,
  }));
  return { schedules: jobSchedules(sizes, full), ...(visible && { visible }) };
}

/** Uneven shards: rank 1 owns no query, rank 2 no key. */
export function unevenSharding(ranks: number): Sizes['sharding'] {
  const all = Array.from({ length: ranks }, (_, rank) => rank);
  return {
    queryRows: all.map(rank => (rank === 1 ? 0 : 5 + 3 * rank)),
    keyRows: all.map(rank => (rank === 2 ? 0 : 20 + 7 * rank)),
  };
}

/** A window that moves along the keys; every fourth query sees nothing at all. */
export function movingWindow(
  { queryRows, keyRows }: Sizes['sharding'],
  width: number,
): NonNullable<RanksJob['visible']> {
  const [rows, keys] = [rowTotal(queryRows), rowTotal(keyRows)];
  return Array.from({ length: rows }, (_, row) => {
    const first = Math.floor(((row / rows) * keys) / 2);
    return row % 4 === 3 ? ([0, 0] as const) : ([first, Math.min(keys, first + width)] as const);
  });
}

export interface Line {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface Finished {
  readonly code: number | null;
  readonly signal: string | null;
  readonly lines: readonly Line[];
  readonly stderr: string;
  readonly seconds: number;
}

export interface Started {
  readonly child: ChildProcess;
  /** Resolves with the first line of that type; rejects when the process ends before. */
  line(type: string): Promise<Line>;
  readonly finished: Promise<Finished>;
}

export function start(
  words: readonly string[],
  {
    environment = {},
    interpreter = [python],
  }: { environment?: NodeJS.ProcessEnv; interpreter?: readonly string[] } = {},
): Started {
  const begun = performance.now();
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1', PYTHONPATH: packageFolder, ...environment };
  const [program, ...first] = interpreter;
  const child = spawn(program!, [...first, ...words], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: Line[] = [];
  const waiting: { type: string; resolve: (line: Line) => void; reject: (error: Error) => void }[] = [];
  let [rest, stderr] = ['', ''];
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdout.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop()!;
    for (const part of parts.filter(text => text.startsWith('{'))) {
      const line = JSON.parse(part) as Line;
      lines.push(line);
      for (const waiter of waiting.filter(({ type }) => type === line.type)) waiter.resolve(line);
    }
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      for (const { type, reject } of waiting) reject(new Error(`No line of type ${type}.\n${stderr}`));
      resolve({ code, signal, lines, stderr, seconds: (performance.now() - begun) / 1000 });
    });
  });
  return {
    child,
    finished,
    line: type =>
      new Promise((resolve, reject) => {
        const found = lines.find(line => line.type === type);
        if (found) resolve(found);
        else waiting.push({ type, resolve, reject });
      }),
  };
}

export interface TrafficTrace {
  readonly metadata: TrafficMetadata;
  readonly ledger: Ledger;
}

/** Read and validated as the panel does. */
export async function readTraffic(file: string): Promise<TrafficTrace> {
  const reader = await openTrafficFile(file);
  try {
    return { metadata: reader.metadata, ledger: await reader.ledger() };
  } finally {
    await reader.close();
  }
}

export function writeJob(file: string, job: unknown): string {
  writeFileSync(file, JSON.stringify(job));
  return file;
}

/** What went wrong, for the message of an assertion. */
export function failures({ checks }: TrafficRun): string[] {
  return checks.filter(({ passed }) => !passed).map(({ name, message }) => `${name}: ${message}`);
}

/** Whether a process still runs; one that ended and that nobody has asked for yet does not. */
export function isAlive(process: number): boolean {
  const status = `/proc/${process}/stat`;
  if (!existsSync(status)) return false;
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(status, 'utf8'));
  } catch {
    return false;
  }
}
