/** Paths that lead to another computer: a trace may come from anybody, and what it names is not opened there for that alone. */

/**
 * "//host/share" in small letters of a path written `\\host\share\…` or `//host/share/…`, on every system, since traces travel;
 * undefined for other paths.
 */
function networkShare(path: string): string | undefined {
  const match = /^\s*[\\/]{2,}([^\\/]*)[\\/]*([^\\/]*)/.exec(path);
  return match ? `//${match[1]!}/${match[2]!}`.toLowerCase() : undefined;
}

/**
 * Shares that these paths lead to, each once, but for the one on which the trace itself lies.
 * @param trace path of what names them, where it is known
 */
export function foreignShares(paths: readonly string[], trace: string | undefined): string[] {
  const own = trace === undefined ? undefined : networkShare(trace);
  const shares = paths.flatMap(path => networkShare(path) ?? []);
  return [...new Set(shares)].filter(share => share !== own);
}
