/** The first `most` characters as people count them, with an ellipsis where something was left out. */
export function shortened(text: string, most: number): string {
  // Characters may be long, but not without end: no need to look further than this.
  const segments = new Intl.Segmenter().segment(text.slice(0, most * 40));
  let kept = '';
  let count = 0;
  for (const { segment } of segments) {
    if (++count > most) return `${kept.trimEnd()}…`;
    kept += segment;
  }
  return kept.length < text.length ? `${kept.trimEnd()}…` : text;
}
