import { randomBytes } from 'node:crypto';
import { constants, copyFile, link, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';

const day = 24 * 3600 * 1000;
/** How long runs are kept where the machine has no trash of its own. */
export const keptDays = 30;
/** `undo` entries go when the message with Undo closes; those left by a window that was closed before that, after a day. */
const lifetimes = { undo: day, kept: keptDays * day } as const;
type Kind = keyof typeof lifetimes;

/** Where one deleted run is, so that it can come back. */
export interface DeletedRun {
  readonly path: string;
  /** The file that Undo brings back. */
  readonly copy: string;
  /** Whether the run is in the trash of the operating system, so that `copy` is for Undo only. */
  readonly inSystemTrash: boolean;
}

export interface Deletion {
  readonly deleted: readonly DeletedRun[];
  readonly failed: readonly { readonly path: string; readonly error: unknown }[];
}

/**
 * Deletes runs so that they can be brought back. The trash of an operating system gives nothing back to a program, so a
 * second name of the file (a hard link, which takes no space) is kept until Undo is no longer offered.
 */
export class RunTrash {
  constructor(
    private readonly folder: string,
    /** Rejects where the machine has no trash, e.g. a remote one. */
    private readonly moveToSystemTrash: (path: string) => Promise<void>,
  ) {}

  /** One that fails does not keep the others; one that is gone already is left out. */
  async delete(paths: readonly string[]): Promise<Deletion> {
    const deleted: DeletedRun[] = [];
    const failed: { path: string; error: unknown }[] = [];
    for (const file of new Set(paths)) {
      try {
        deleted.push(await this.deleteOne(file));
      } catch (error) {
        if (await exists(file)) failed.push({ path: file, error });
      }
    }
    return { deleted, failed };
  }

  /**
   * Brings runs back to where they were, under another name when theirs was taken meanwhile.
   * @returns where they are now
   */
  async restore(deleted: readonly DeletedRun[]): Promise<{ restored: string[]; failed: Deletion['failed'] }> {
    const restored: string[] = [];
    const failed: { path: string; error: unknown }[] = [];
    for (const run of deleted) {
      try {
        await mkdir(path.dirname(run.path), { recursive: true });
        const target = freeName(run.path, new Set(await readdir(path.dirname(run.path))));
        await move(run.copy, target);
        restored.push(target);
        await rm(path.dirname(run.copy), { recursive: true, force: true });
      } catch (error) {
        failed.push({ path: run.path, error });
      }
    }
    return { restored, failed };
  }

  /** Undo is no longer offered: what the system's trash holds is given up here. */
  async settle(deleted: readonly DeletedRun[]): Promise<void> {
    for (const { copy, inSystemTrash } of deleted) {
      if (inSystemTrash) await rm(path.dirname(copy), { recursive: true, force: true });
    }
  }

  private async deleteOne(file: string): Promise<DeletedRun> {
    const copy = await this.place('undo', file);
    try {
      await duplicate(file, copy);
      await this.moveToSystemTrash(file);
      // Some hosts report a success without doing anything.
      if (await exists(file)) throw new Error('The file is still there.');
      return { path: file, copy, inSystemTrash: true };
    } catch {
      await rm(path.dirname(copy), { recursive: true, force: true });
    }
    const kept = await this.place('kept', file);
    try {
      await move(file, kept);
    } catch (error) {
      await rm(path.dirname(kept), { recursive: true, force: true });
      throw error;
    }
    return { path: file, copy: kept, inSystemTrash: false };
  }

  private async place(kind: Kind, file: string): Promise<string> {
    const folder = path.join(this.folder, `${kind}-${Date.now()}-${randomBytes(4).toString('hex')}`);
    await mkdir(folder, { recursive: true });
    return path.join(folder, path.basename(file));
  }
}

/** Removes what a trash in this folder has kept long enough. @param now milliseconds since 1970 */
export async function sweepTrash(folder: string, now: number): Promise<void> {
  for (const name of await namesIn(folder)) {
    if (isExpired(name, now)) await rm(path.join(folder, name), { recursive: true, force: true });
  }
}

/** Whether an entry of the trash has been kept long enough. @param now milliseconds since 1970 */
export function isExpired(name: string, now: number): boolean {
  const [, kind, since] = /^(undo|kept)-(\d+)-[0-9a-f]+$/.exec(name) ?? [];
  return kind !== undefined && now - Number(since) > lifetimes[kind as Kind];
}

/** `a.fovea`, or `a-2.fovea`, `a-3.fovea` … while the name is taken. */
export function freeName(file: string, taken: ReadonlySet<string>): string {
  const { dir, name, ext } = path.parse(file);
  let candidate = name + ext;
  for (let copy = 2; taken.has(candidate); copy++) candidate = `${name}-${copy}${ext}`;
  return path.join(dir, candidate);
}

async function duplicate(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch {
    // Another disk, or one that knows no links.
    await copyFile(from, to, constants.COPYFILE_FICLONE);
  }
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EXDEV')) throw error;
    await copyFile(from, to, constants.COPYFILE_EXCL);
    await rm(from);
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch {
    return false;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
}
