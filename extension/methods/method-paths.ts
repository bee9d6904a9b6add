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
