import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';

const mostThreads = 8;

/** Threads that suit matrix products here: one per physical core, at most 8. */
export function defaultThreads(): number {
  return Math.max(1, Math.min(physicalCores(), availableParallelism(), mostThreads));
}

/** Its model name, or where the system has none, its architecture. */
export function processorName(): string {
  return cpus()[0]?.model.trim() || process.arch;
}

/** What a trace or an evaluation says it ran on. */
export function hardware(): string {
  return `${processorName()}, ${cpus().length} logical cores`;
}

/** Two hardware threads of one core share its multipliers, so the second brings nothing here. */
function physicalCores(): number {
  if (process.platform === 'linux') {
    const cores = linuxCores();
    if (cores > 0) return cores;
  }
  // Node does not tell cores from hardware threads; x64 machines mostly have two threads per core, arm64 ones never.
  return process.arch === 'x64' ? Math.ceil(availableParallelism() / 2) : availableParallelism();
}

function linuxCores(): number {
  const folder = '/sys/devices/system/cpu';
  try {
    const siblings = readdirSync(folder)
      .filter(name => /^cpu\d+$/.test(name))
      .map(name => readFileSync(`${folder}/${name}/topology/thread_siblings_list`, 'utf8').trim());
    return new Set(siblings).size;
  } catch {
    // Not every container shows the topology.
    return 0;
  }
}
