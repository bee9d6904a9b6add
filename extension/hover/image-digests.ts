import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

export interface ImageFile {
  readonly path: string;
  readonly bytes: number;
  readonly mtimeMs: number;
}

/** Larger files take longer to read than a hover may wait. */
const largestFile = 64_000_000;
const mostDigests = 1000;

/** The first of these paths that is a file of a size worth reading. */
export async function firstFile(paths: readonly string[]): Promise<ImageFile | undefined> {
  for (const path of paths) {
    try {
      const entry = await stat(path);
      if (entry.isFile()) {
        return entry.size <= largestFile ? { path, bytes: entry.size, mtimeMs: entry.mtimeMs } : undefined;
      }
    } catch {
      // The next one may exist.
    }
  }
  return undefined;
}

/** sha256 of files, remembered until they change. */
export class ImageDigests {
  private readonly known = new Map<string, { readonly version: string; readonly digest: Promise<string> }>();

  /** Hex. @throws errors of the file system as they come */
  of({ path, bytes, mtimeMs }: ImageFile): Promise<string> {
    const version = `${mtimeMs} ${bytes}`;
    const known = this.known.get(path);
    this.known.delete(path);
    const entry = known?.version === version ? known : { version, digest: digestOf(path) };
    this.known.set(path, entry);
    entry.digest.catch(() => {
      if (this.known.get(path) === entry) this.known.delete(path);
    });
    const oldest = this.known.keys().next().value;
    if (this.known.size > mostDigests && oldest !== undefined) this.known.delete(oldest);
    return entry.digest;
  }
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
