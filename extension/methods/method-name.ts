/** "Keep the brightest!" to "keep-the-brightest"; empty if nothing is left. */
export function methodName(title: string): string {
  return title
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60);
}

export function methodFile(title: string): string {
  return `${methodName(title)}.mjs`;
}
