/** Starts and ends the threads of an embedded run; none outlives it. */
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Transferable, Worker } from 'node:worker_threads';
import type { LinksSetup, RankSetup } from './protocol.ts';

/** Replaced by tests that let a rank fail. */
export type ThreadStarter = (setup: RankSetup | LinksSetup, transfer: readonly Transferable[]) => Worker;

const here = fileURLToPath(import.meta.url);
const fromSource = extname(here) === '.ts';

/** A bundle of its own beside this code, or its source. */
function workerEntry(): string {
  return join(dirname(here), fromSource ? 'worker.ts' : 'traffic-worker.cjs');
}

/** The loader that lets this process run from source is not inherited by the entry of a thread, so it is asked first. */
function sourceStarter(): string {
  const entry = JSON.stringify(pathToFileURL(workerEntry()).href);
  const tsx = dirname(createRequire(import.meta.url).resolve('tsx/package.json'));
  const loader = JSON.stringify(pathToFileURL(join(tsx, 'dist/esm/api/index.mjs')).href);
  return `import(${loader}).then(({ register }) => { register(); return import(${entry}); });`;
}

export const startThread: ThreadStarter = (setup, transfer) => {
  const options = { workerData: setup, transferList: [...transfer] };
  return fromSource ? new Worker(sourceStarter(), { ...options, eval: true }) : new Worker(workerEntry(), options);
};

/** @param patience milliseconds until a thread that does not end by itself is stopped */
export async function endThreads(threads: readonly Worker[], patience: number): Promise<void> {
  await Promise.all(
    threads.map(async thread => {
      if (thread.threadId === -1) return;
      const left = new Promise<void>(resolve => {
        thread.once('exit', () => {
          resolve();
        });
      });
      const late = setTimeout(() => void thread.terminate(), patience);
      await left;
      clearTimeout(late);
    }),
  );
}
