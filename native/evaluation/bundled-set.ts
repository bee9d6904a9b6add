/** The question set that comes with Fovea, for the model that comes with it. */
import { realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { packagedFile } from '../packaged-file.ts';

/** Undefined where it is not there. */
export function bundledQuestionSet(): string | undefined {
  return packagedFile(join('media', 'questions', 'questions.jsonl'));
}

/** Whether this is the bundled set, however its path is written. */
export function isBundledSet(path: string): boolean {
  const bundled = bundledQuestionSet();
  try {
    return bundled !== undefined && realpathSync(resolve(path)) === realpathSync(bundled);
  } catch {
    return false;
  }
}
