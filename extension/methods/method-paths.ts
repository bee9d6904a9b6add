import path from 'node:path';

/** settings.json takes any value, whatever the schema in package.json says. */
export function methodPaths(value: unknown, folder: string | undefined): readonly string[] {
  const named: readonly unknown[] = Array.isArray(value) ? value : [];
  const paths = named
    .filter(each => typeof each === 'string')
    .filter(each => each.trim() !== '')
    .filter(each => path.isAbsolute(each) || folder !== undefined)
    .map(each => (path.isAbsolute(each) ? path.normalize(each) : path.join(folder ?? '', each)));
  return [...new Set(paths)];
}

/** One folder of a workspace, and what `fovea.methods` is in it. */
export interface MethodFolder {
  readonly path: string;
  /** What holds there, wherever it was set. */
  readonly value: unknown;
  /** What was set for this folder alone. */
  readonly ownValue: unknown;
}

/** The methods of a whole workspace: what was set for all folders is relative to the first one only. */
export function workspaceMethodPaths(folders: readonly MethodFolder[]): readonly string[] {
  const paths = folders.flatMap(({ path: folder, value, ownValue }, index) =>
    methodPaths(index === 0 ? value : ownValue, folder),
  );
  return [...new Set(paths)];
}
