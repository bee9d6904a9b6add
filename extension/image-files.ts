/** What the pipeline's decoder reads; the menus in package.json list the same. */
export const imageExtensions = ['png', 'jpg', 'jpeg', 'gif', 'webp', 'avif', 'tif', 'tiff', 'svg'] as const;

const pattern = new RegExp(`\\.(${imageExtensions.join('|')})$`, 'i');

export function isImageFile(path: string): boolean {
  return pattern.test(path);
}

/** File names on Linux are case-sensitive, and cameras write capitals. */
export const imageGlob = `**/*.{${imageExtensions.flatMap(ending => [ending, ending.toUpperCase()]).join(',')}}`;
