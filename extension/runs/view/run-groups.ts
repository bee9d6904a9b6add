import type { RunSummary } from '../run-index.ts';

/** The runs on one image: on one content, whatever its file is called. */
export interface ImageGroup {
  /** sha256 of the image's bytes, hex, as the traces claim it. */
  readonly digest: string;
  /** As the newest run knows the image. */
  readonly name: string;
  readonly path: string | undefined;
  /** Newest first. */
  readonly runs: readonly RunSummary[];
  /** Size of all its traces on disk. */
  readonly bytes: number;
}

/** The image with the newest run first. @param runs newest first */
export function groupByImage(runs: readonly RunSummary[]): ImageGroup[] {
  const byDigest = new Map<string, RunSummary[]>();
  for (const run of runs) {
    const { digest } = run.metadata.image;
    const same = byDigest.get(digest);
    if (same) same.push(run);
    else byDigest.set(digest, [run]);
  }
  return [...byDigest].map(([digest, same]) => {
    const { name, path } = same[0]!.metadata.image;
    return { digest, name, path, runs: same, bytes: totalBytes(same) };
  });
}

export function totalBytes(runs: readonly { readonly bytes: number }[]): number {
  return runs.reduce((sum, { bytes }) => sum + bytes, 0);
}
