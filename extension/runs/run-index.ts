/** The runs on disk, by their traces' headers. Pure Node; views and hovers ask it, nothing of it touches tensors. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { TraceError } from '../../trace/errors.ts';
import { traceFileKind } from '../../trace/file.ts';
import { traceExtension } from '../../trace/schema.ts';
import { Emitter, type Subscribe } from './emitter.ts';
import { FolderWatch } from './folder-watch.ts';
import { readRunSummary, type RunSummary } from './run-summary.ts';
import { readTrafficSummary, type TrafficSummary } from './traffic-summary.ts';

export type { RunDescription, RunSummary } from './run-summary.ts';
export type { TrafficSummary } from './traffic-summary.ts';

/** Files of this many traces are open at a time. */
const concurrency = 4;
/** A run ends with several events of the file system; listeners hear of one. */
const settleMilliseconds = 100;

interface CachedRun {
  readonly mtimeMs: number;
  readonly size: number;
  /** Both absent for a file that is neither, so that it is not opened again until it changes. */
  readonly summary?: RunSummary;
  readonly traffic?: TrafficSummary;
}

export class RunIndex {
  private readonly emitter = new Emitter();
  /** Fires a moment after traces appeared, changed or vanished, once `list` was called for the first time. */
  readonly onDidChange: Subscribe<void> = this.emitter.event;
  private cache = new Map<string, CachedRun>();
  private runs: readonly RunSummary[] = [];
  private traffic: readonly TrafficSummary[] = [];
  private byDigest = new Map<string, RunSummary[]>();
  private readonly watches = new Map<string, FolderWatch>();
  /** Counts changes that were told; what was read last belongs to `scannedVersion`. */
  private version = 1;
  private scannedVersion = 0;
  private watchedFolders = '';
  private scanning: Promise<void> | undefined;
  private settling: NodeJS.Timeout | undefined;
  private disposed = false;

  /** @param folders absolute paths, asked for at every listing, since settings change */
  constructor(
    private readonly folders: () => readonly string[],
    private readonly log: { debug(message: string): void },
  ) {}

  /** All runs, newest first. Folders that do not exist and files that are no traces are left out. */
  async list(): Promise<readonly RunSummary[]> {
    await this.bringUpToDate();
    return this.runs;
  }

  /** All traces of traffic between ranks, newest first. */
  async listTraffic(): Promise<readonly TrafficSummary[]> {
    await this.bringUpToDate();
    return this.traffic;
  }

  /** @param digest sha256 of the image's bytes, hex @returns the runs on that image, newest first */
  async byImageDigest(digest: string): Promise<readonly RunSummary[]> {
    await this.bringUpToDate();
    return this.byDigest.get(digest) ?? [];
  }

  /** Lets the next listing look at the disk again, and tells listeners: for changes that no file system tells. */
  refresh(): void {
    this.noteChange();
  }

  dispose(): void {
    this.disposed = true;
    clearTimeout(this.settling);
    for (const watch of this.watches.values()) watch.dispose();
    this.watches.clear();
    this.emitter.dispose();
  }

  private noteChange(): void {
    this.version++;
    if (this.settling || this.disposed) return;
    this.settling = setTimeout(() => {
      this.settling = undefined;
      this.emitter.fire();
    }, settleMilliseconds);
    this.settling.unref();
  }

  private async bringUpToDate(): Promise<void> {
    // A second round when something changed during the first; no more, or a busy folder would keep a hover waiting.
    for (let round = 0; round < 2 && !this.upToDate(); round++) {
      this.scanning ??= this.scan().finally(() => {
        this.scanning = undefined;
      });
      await this.scanning;
    }
  }

  private upToDate(): boolean {
    return this.disposed || (this.scannedVersion === this.version && this.watchedFolders === this.folders().join('\n'));
  }

  private async scan(): Promise<void> {
    const { version } = this;
    const folders = [...new Set(this.folders())];
    // Before the files are read, so that what changes meanwhile is told.
    const watched = await this.watch(folders);
    const files = (await Promise.all(folders.map(tracesIn))).flat();
    const found = new Map<string, CachedRun>();
    const queue = [...files];
    const work = async (): Promise<void> => {
      for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
        const run = await this.read(file);
        if (run) found.set(file, run);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
    this.cache = found;
    this.runs = [...found.values()]
      .flatMap(({ summary }) => summary ?? [])
      .sort((a, b) => newestFirst(a.metadata, b.metadata) || b.path.localeCompare(a.path));
    this.traffic = [...found.values()]
      .flatMap(({ traffic }) => traffic ?? [])
      .sort((a, b) => newestFirst(a, b) || b.path.localeCompare(a.path));
    this.byDigest = new Map();
    for (const run of this.runs) {
      const { digest } = run.metadata.image;
      const same = this.byDigest.get(digest);
      if (same) same.push(run);
      else this.byDigest.set(digest, [run]);
    }
    this.scannedVersion = watched ? version : 0;
    this.watchedFolders = this.folders().join('\n');
  }

  /** @returns whether every folder tells its changes; else each listing looks at the disk */
  private async watch(folders: readonly string[]): Promise<boolean> {
    for (const [folder, watch] of this.watches) {
      if (folders.includes(folder)) continue;
      watch.dispose();
      this.watches.delete(folder);
    }
    const watched = await Promise.all(
      folders.map(async folder => {
        let watch = this.watches.get(folder);
        if (!watch) {
          watch = new FolderWatch(folder, () => {
            this.noteChange();
          });
          this.watches.set(folder, watch);
        }
        const works = await watch.renew();
        if (this.disposed) watch.dispose();
        return works;
      }),
    );
    return watched.every(Boolean);
  }

  private async read(file: string): Promise<CachedRun | undefined> {
    let version: Pick<CachedRun, 'mtimeMs' | 'size'>;
    try {
      const entry = await stat(file);
      // A pipe of that name would never answer.
      if (!entry.isFile()) return undefined;
      version = { mtimeMs: entry.mtimeMs, size: entry.size };
    } catch {
      return undefined;
    }
    const known = this.cache.get(file);
    if (known?.mtimeMs === version.mtimeMs && known.size === version.size) return known;
    try {
      const kind = await traceFileKind(file);
      if (kind === 'traffic') return { ...version, traffic: await readTrafficSummary(file, version.size) };
      return { ...version, summary: await readRunSummary(file) };
    } catch (error) {
      this.log.debug(`${file} is left out of the runs: ${error instanceof Error ? error.message : String(error)}`);
      return error instanceof TraceError ? version : undefined;
    }
  }
}

async function tracesIn(folder: string): Promise<string[]> {
  try {
    const names = await readdir(folder);
    return names.filter(name => name.endsWith(traceExtension)).map(name => path.join(folder, name));
  } catch {
    return [];
  }
}

function newestFirst(a: { readonly created: string }, b: { readonly created: string }): number {
  return createdTime(b) - createdTime(a);
}

function createdTime({ created }: { readonly created: string }): number {
  const time = Date.parse(created);
  return Number.isNaN(time) ? 0 : time;
}
