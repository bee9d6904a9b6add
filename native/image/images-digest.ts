/** Tells whether images are still what they were. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { imagesAt } from './decode-frames.ts';

async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/**
 * SHA-256, hex, of a file; of a folder, that over digest and name of each of its images, in order.
 * @throws FoveaError `image-unreadable` for a folder without images, Error of the file system
 */
export async function imagesDigest(path: string): Promise<string> {
  const files = await imagesAt(path);
  if (files.length === 1 && files[0] === path) return fileDigest(path);
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${await fileDigest(file)} ${basename(file)}\n`);
  return hash.digest('hex');
}
