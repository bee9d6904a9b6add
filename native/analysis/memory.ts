/** Whether what a run needs fits into memory: better said before loading than by the kernel afterwards. */
import os from 'node:os';
import { FoveaError } from '../errors.ts';

/**
 * Bytes that this process may still take. On Linux `os.freemem` is MemAvailable of /proc/meminfo, which counts caches
 * that can be dropped; a container may have less. macOS counts such caches as used, so half of all memory is assumed.
 */
export function availableMemory(): number {
  const free = process.platform === 'darwin' ? Math.max(os.freemem(), os.totalmem() / 2) : os.freemem();
  const limit = process.constrainedMemory();
  const constrained = limit > 0 && limit < os.totalmem();
  if (!constrained) return free;
  return Math.min(free, Math.max(0, limit - process.memoryUsage.rss()));
}

/** @throws FoveaError `out-of-memory` with both numbers */
export function requireMemory(needed: number, available: number, purpose: string): void {
  if (needed <= available) return;
  throw new FoveaError(
    'out-of-memory',
    `${purpose} needs about ${gigabytes(needed)} GB of memory, and ${gigabytes(available)} GB are free.`,
    'Close other programs, choose a smaller model, or allow a shorter answer.',
  );
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(1);
}

/** Allocation failures of JavaScript, in the words of the other errors. */
export function asMemoryError(error: unknown): unknown {
  const failed = error instanceof RangeError && /allocation failed|Invalid typed array length/i.test(error.message);
  if (!failed) return error;
  return new FoveaError(
    'out-of-memory',
    `Memory ran out: ${gigabytes(availableMemory())} GB are free.`,
    'Close other programs, choose a smaller model, or ask a shorter question.',
    { cause: error },
  );
}
