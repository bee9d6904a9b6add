/** What files contain, remembered until they change. */
import { Worker } from 'node:worker_threads';
import type { ModelFile } from '../../trace/model-files.ts';
import { FoveaError } from '../errors.ts';
import type { DigestAnswer } from './digest-worker.ts';
import { fileStamp, type StoredFile } from './stored-file.ts';

export class FileDigests {
  private readonly known = new Map<string, { readonly stamp: string; readonly digest: string }>();

  /**
   * Files that were not seen before are read on a thread of their own.
   * @throws FoveaError `checkpoint-malformed` for one that cannot be read, `cancelled`
   */
  async of(files: readonly StoredFile[], signal?: AbortSignal): Promise<ModelFile[]> {
    try {
      const stamped = await Promise.all(files.map(async file => ({ ...file, stamp: await fileStamp(file.path) })));
      const fresh = stamped.filter(({ path, stamp }) => this.known.get(path)?.stamp !== stamp);
      const digests = fresh.length === 0 ? [] : await digestsOf(fresh, signal);
      for (const [index, { path, stamp }] of fresh.entries()) this.known.set(path, { stamp, digest: digests[index]! });
      return files.map(({ name, path }) => ({ name, digest: this.known.get(path)!.digest }));
    } catch (error) {
      if (error instanceof FoveaError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new FoveaError(
        'checkpoint-malformed',
        `A file of the model cannot be read: ${reason}.`,
        'Check that you may read the files in its folder.',
        { cause: error },
      );
    }
  }
}

/** In the order of the files. */
async function digestsOf(files: readonly StoredFile[], signal: AbortSignal | undefined): Promise<readonly string[]> {
  // Loaders that run this process from source would only slow the thread down.
  const thread = new Worker(workerEntry(), { workerData: files.map(({ path }) => path), execArgv: [] });
  let cancel = (): void => undefined;
  try {
    return await new Promise((resolve, reject) => {
      cancel = () => {
        reject(new FoveaError('cancelled', 'The run was cancelled.', 'Run it again when you like.'));
      };
      thread.once('message', (answer: DigestAnswer) => {
        if ('digests' in answer) resolve(answer.digests);
        else reject(new Error(answer.problem));
      });
      thread.once('error', reject);
      thread.once('exit', () => {
        reject(new Error('the thread that reads it ended'));
      });
      signal?.addEventListener('abort', cancel);
      if (signal?.aborted) cancel();
    });
  } finally {
    signal?.removeEventListener('abort', cancel);
    await thread.terminate();
  }
}

/** A thread starts from a bundle, which lies beside the pipeline's own; sources that run as they are find it in dist/. */
function workerEntry(): URL {
  const bundled = !import.meta.url.endsWith('.ts');
  return new URL(bundled ? './digest-worker.cjs' : '../../dist/digest-worker.cjs', import.meta.url);
}
