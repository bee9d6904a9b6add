/** The question set that comes with Fovea, for the model that comes with it. */
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const bundledSet = join('media', 'questions', 'questions.jsonl');

/** Found upwards from this code, which runs from the source tree or from dist/; undefined where it is not. */
export function bundledQuestionSet(): string | undefined {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const candidate = join(folder, bundledSet);
    if (existsSync(candidate)) return candidate;
    if (dirname(folder) === folder) return undefined;
  }
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
