import path from 'node:path';

/**
 * Where a trace says that its image file is. The reader does not check this entry, and a trace may come from another
 * operating system.
 * @returns undefined when it does not name an absolute path of this system
 */
export function imagePathOf(metadata: { readonly image: { readonly path?: unknown } }): string | undefined {
  const { path: found } = metadata.image;
  return typeof found === 'string' && path.isAbsolute(found) ? found : undefined;
}
