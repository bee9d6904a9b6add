import path from 'node:path';

const endings = ['.mjs', '.js', '.cjs'];

/**
 * The module that a request's method is, as the pipeline tells modules from Fovea's own methods; undefined for the latter.
 * @param method "fastv", "fastv+flexattention", a path, or a path with "+flexattention" after it
 */
export function moduleOf(method: string): string | undefined {
  const [first = ''] = /[/\\]/.test(method) ? [method.replace(/\+[a-z-]+$/, '')] : method.split('+');
  const file = first.trim();
  return /[/\\]/.test(file) || endings.includes(path.extname(file).toLowerCase()) ? file : undefined;
}

/**
 * Whether the user named the module of a method in `fovea.methods`. A trace or an evaluation may come from anybody, and
 * what it names must not run for that alone.
 * @param named absolute paths
 */
export function mayRun(method: string, named: readonly string[]): boolean {
  const module = moduleOf(method);
  return module === undefined || (path.isAbsolute(module) && named.some(each => isSameFile(each, module)));
}

/** VS Code writes the drives of Windows small; the command line and settings as the user does. */
export function isSameFile(a: string, b: string): boolean {
  const plain = (file: string): string => path.normalize(file).replace(/^[A-Z]:/, drive => drive.toLowerCase());
  return plain(a) === plain(b);
}
