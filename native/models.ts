/** Where the model that comes with Fovea is, and how models are called. */
import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { FoveaError } from './errors.ts';
import { packagedFile } from './packaged-file.ts';

const bundledModel = join('media', 'models', 'fovea-tiny');

/** Folder of the bundled model. @throws FoveaError `checkpoint-missing` */
export function bundledModelFolder(): string {
  const config = packagedFile(join(bundledModel, 'config.json'));
  if (config !== undefined) return dirname(config);
  throw new FoveaError(
    'checkpoint-missing',
    'The model that comes with Fovea (media/models/fovea-tiny) is not there.',
    'Install Fovea again, or name another model folder.',
  );
}

/** Whether a folder is the bundled model's, however its path is written. */
export function isBundled(folder: string): boolean {
  try {
    return realpathSync(resolve(folder)) === realpathSync(bundledModelFolder());
  } catch {
    return false;
  }
}

/** The folder's name; for a folder of the Hugging Face cache the repository's, such as "llava-hf/llava-1.5-7b-hf". */
export function modelName(folder: string): string {
  const path = resolve(folder);
  const repository = /models--(.+?)[/\\]snapshots[/\\][^/\\]+$/.exec(path)?.[1];
  return repository === undefined ? basename(path) : repository.replace('--', '/');
}
