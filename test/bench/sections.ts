/** Replaces one section of a Markdown page, or appends it: from its heading to the next one of the same level. */
export function withSection(page: string, heading: string, section: string): string {
  const start = page.indexOf(`${heading}\n`);
  if (start < 0) return `${page.trimEnd()}\n\n${section}`;
  const next = page.indexOf('\n## ', start + heading.length);
  return `${page.slice(0, start)}${section}${next < 0 ? '' : page.slice(next)}`;
}

/** Everything from the first section on: what other benchmarks wrote. */
export function sectionsOf(page: string): string {
  const start = page.indexOf('\n## ');
  return start < 0 ? '' : page.slice(start);
}
