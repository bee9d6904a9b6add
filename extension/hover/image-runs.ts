/** From a reference in a document to the runs on that image. */
import type { RunIndex, RunSummary } from '../runs/run-index.ts';
import { firstFile, type ImageDigests, type ImageFile } from './image-digests.ts';
import { referencePaths, type ReferencePlace } from './reference-paths.ts';

export interface ImageRuns {
  readonly image: ImageFile;
  /** Newest first. */
  readonly runs: readonly RunSummary[];
}

/** @returns undefined when the reference leads to no file that can be looked at */
export async function runsOfReference(
  text: string,
  place: ReferencePlace,
  index: Pick<RunIndex, 'list' | 'byImageDigest'>,
  digests: ImageDigests,
): Promise<ImageRuns | undefined> {
  const image = await firstFile(referencePaths(text, place));
  if (!image) return undefined;
  // Only a file as large as one that was analysed can be it; all others need not be read.
  const possible = (await index.list()).some(({ metadata }) => metadata.image.bytes === image.bytes);
  if (!possible) return { image, runs: [] };
  return { image, runs: await index.byImageDigest(await digests.of(image)) };
}
