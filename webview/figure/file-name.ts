/** Characters that some file system refuses, and those that no one sees. */
const refused = /[\\/:*?"<>|\p{Cc}\p{Cf}\p{Surrogate}]+/gu;

/** A name that every file system takes: "scene-04 Head × layer". @param image name of its file */
export function figureFileName(image: string, title: string): string {
  const plain = `${image.replace(/\.\w+$/, '')} ${title}`
    .replace(refused, ' ')
    .replace(/\s+/g, ' ')
    .replace(/^[ .]+/, '')
    .trim();
  return (
    Array.from(plain)
      .slice(0, 80)
      .join('')
      .replace(/[. ]+$/, '') || 'figure'
  );
}
