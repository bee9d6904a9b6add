/** The package of this machine's platform, made once for the tests that look into it or install it. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const projectFolder = path.resolve(import.meta.dirname, '..');
const outputFolder = path.join(projectFolder, 'test/output/package');

export interface ExtensionPackage {
  readonly vsix: string;
  /** The folder of exactly the files in it, node_modules included. */
  readonly stage: string;
}

/** Packages for linux-x64 unless a package is there that is newer than everything that goes into it. */
export function packageExtension(): ExtensionPackage {
  execFileSync(process.execPath, [path.join(projectFolder, 'setup.mjs')], { stdio: ['ignore', 'ignore', 'inherit'] });
  const stage = path.join(projectFolder, '.stage/linux-x64');
  const inputs = [
    'dist/.sources',
    'package.json',
    'package-lock.json',
    '.vscodeignore',
    'extension/package.mjs',
    'README.md',
  ];
  const modified = (file: string): number => fs.statSync(file).mtimeMs;
  const newest = Math.max(...inputs.map(input => modified(path.join(projectFolder, input))));
  const found = findVsix();
  if (found !== undefined && fs.existsSync(stage) && modified(found) > newest) return { vsix: found, stage };
  fs.rmSync(outputFolder, { recursive: true, force: true });
  const command = [path.join(projectFolder, 'extension/package.mjs'), '--target', 'linux-x64', '--out', outputFolder];
  execFileSync(process.execPath, command, { stdio: ['ignore', 'ignore', 'inherit'] });
  const vsix = findVsix();
  if (vsix === undefined) throw new Error(`extension/package.mjs left no .vsix file in ${outputFolder}.`);
  return { vsix, stage };
}

/** All files of the package, relative, sorted, with forward slashes. */
export function packagedFiles({ stage }: Pick<ExtensionPackage, 'stage'>): string[] {
  return fs
    .readdirSync(stage, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => path.relative(stage, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .sort();
}

function findVsix(): string | undefined {
  if (!fs.existsSync(outputFolder)) return undefined;
  const name = fs.readdirSync(outputFolder).find(each => each.endsWith('.vsix'));
  return name === undefined ? undefined : path.join(outputFolder, name);
}
