/** Entry of the thread that reads whole files: gigabytes of weights must not hold up a run. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { parentPort, workerData } from 'node:worker_threads';

/** In the order in which the thread got the paths. */
export type DigestAnswer = { readonly digests: readonly string[] } | { readonly problem: string };

const chunkBytes = 1 << 20;

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: chunkBytes }), hash);
  return hash.digest('hex');
}

async function digestsOf(paths: readonly string[]): Promise<DigestAnswer> {
  const digests: string[] = [];
  try {
    for (const path of paths) digests.push(await digestOf(path));
    return { digests };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

void digestsOf(workerData as readonly string[]).then(answer => {
  parentPort?.postMessage(answer);
});
