/** The bundled script and style sheet of the report page. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FoveaError } from '../errors.ts';

export interface PageAssets {
  readonly script: string;
  readonly style: string;
}

const script = join('dist', 'webview', 'report.js');

/** Found upwards from this code, which runs from the source tree or from dist/. @throws FoveaError `disk` */
export async function readPageAssets(): Promise<PageAssets> {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, script);
    if (existsSync(file)) {
      return {
        script: await readFile(file, 'utf8'),
        style: await readFile(file.replace(/js$/, 'css'), 'utf8'),
      };
    }
    if (dirname(folder) === folder) break;
  }
  throw new FoveaError(
    'disk',
    `The page's script (${script}) is not there.`,
    'Install Fovea again; in a checkout, run: npm run build',
  );
}
