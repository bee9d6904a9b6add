import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { traceExtension } from '../../trace/schema.ts';

/**
 * Tells when traces appear, change or vanish in a folder. A folder that does not exist yet is waited for in the nearest
 * one above it that does.
 */
export class FolderWatch {
  private watcher: FSWatcher | undefined;
  /** Device and inode of what is watched: a folder that was replaced has others, and its old watcher stays silent. */
  private identity = '';

  constructor(
    private readonly folder: string,
    private readonly changed: () => void,
  ) {}

  /** Watches again where needed. @returns whether changes will be told; false where the file system cannot watch */
  async renew(): Promise<boolean> {
    const target = await nearestExisting(this.folder);
    if (!target) {
      this.dispose();
      return false;
    }
    if (this.watcher && this.identity === target.identity) return true;
    this.dispose();
    const expected = path.relative(target.folder, this.folder).split(path.sep)[0];
    try {
      this.watcher = watch(target.folder, { persistent: false }, (_, name) => {
        if (name === null || concerns(name, expected, target.folder)) this.changed();
      });
      this.watcher.on('error', () => {
        this.dispose();
        this.changed();
      });
    } catch {
      return false;
    }
    this.identity = target.identity;
    return true;
  }

  dispose(): void {
    this.watcher?.close();
    this.watcher = undefined;
    this.identity = '';
  }
}

/** @param expected the folder that is waited for; empty when the folder itself is watched */
function concerns(name: string, expected: string | undefined, watched: string): boolean {
  if (expected !== undefined && expected !== '') return name === expected;
  // A folder that is removed or renamed tells its own name.
  return name.endsWith(traceExtension) || name === path.basename(watched);
}

async function nearestExisting(folder: string): Promise<{ folder: string; identity: string } | undefined> {
  for (let candidate = folder; ; candidate = path.dirname(candidate)) {
    try {
      const { dev, ino } = await stat(candidate);
      return { folder: candidate, identity: `${candidate} ${dev} ${ino}` };
    } catch {
      if (path.dirname(candidate) === candidate) return undefined;
    }
  }
}
