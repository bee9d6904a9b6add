import path from 'node:path';
import * as vscode from 'vscode';
import type { Evaluation } from '../../trace/evaluation/evaluation.ts';
import type { TraceKind } from '../../trace/kind.ts';
import type { TraceReader } from '../../trace/reader.ts';
import type { TrafficMetadata } from '../../trace/traffic/metadata.ts';
import type { TrafficReader, TrafficTensors } from '../../trace/traffic/reader.ts';
import { background } from '../background.ts';
import { FolderWatch } from '../runs/folder-watch.ts';
import { traceProblem, type TraceProblem } from './trace-problem.ts';

export type TraceContent =
  /** A run of a model on an image. */
  | { readonly kind: 'open'; readonly reader: TraceReader }
  | { readonly kind: 'evaluation'; readonly evaluation: Evaluation }
  | { readonly kind: 'traffic'; readonly metadata: TrafficMetadata; readonly tensors: TrafficTensors }
  | { readonly kind: 'unreadable'; readonly problem: TraceProblem };

/** Several events come for one write; the file is read when they pause. */
const settleMilliseconds = 150;
const missing = 'missing';

/** A trace that is open in one or more editors; follows the file when it is written again. */
export class TraceDocument implements vscode.CustomDocument {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changed.event;
  private readonly vanished = new vscode.EventEmitter<void>();
  /** The file was deleted or moved away. What was opened of it can still be read on most systems. */
  readonly onDidVanish = this.vanished.event;
  private readonly watcher: vscode.FileSystemWatcher;
  private readonly folderWatch: FolderWatch | undefined;
  private reloadTimer: NodeJS.Timeout | undefined;
  private disposed = false;

  private constructor(
    readonly uri: vscode.Uri,
    private current: TraceContent,
    /** Which version of the file `current` was read from. */
    private version: string,
    private readonly log: vscode.LogOutputChannel,
  ) {
    const folder = vscode.Uri.joinPath(uri, '..');
    this.watcher = vscode.workspace.createFileSystemWatcher(
      new vscode.RelativePattern(folder, globLiteral(path.posix.basename(uri.path))),
    );
    this.watcher.onDidChange(() => {
      this.refresh();
    });
    this.watcher.onDidCreate(() => {
      this.refresh();
    });
    this.watcher.onDidDelete(() => {
      this.refresh();
    });
    if (uri.scheme === 'file') {
      // VS Code's watcher hears nothing of folders that were made at once, one in the other, as runs and evaluations make
      // theirs (https://github.com/parcel-bundler/watcher/issues/97).
      this.folderWatch = new FolderWatch(path.dirname(uri.fsPath), () => {
        this.refresh();
      });
      background(this.watchFolder(this.folderWatch), log);
    }
  }

  private async watchFolder(watch: FolderWatch): Promise<void> {
    await watch.renew();
    if (this.disposed) watch.dispose();
    // What was written in between was told to nobody.
    else this.refresh();
  }

  static async open(uri: vscode.Uri, log: vscode.LogOutputChannel): Promise<TraceDocument> {
    const version = await versionOf(uri);
    return new TraceDocument(uri, await read(uri, log), version, log);
  }

  get content(): TraceContent {
    return this.current;
  }

  dispose(): void {
    this.disposed = true;
    clearTimeout(this.reloadTimer);
    this.watcher.dispose();
    this.folderWatch?.dispose();
    this.changed.dispose();
    this.vanished.dispose();
    this.close(this.current);
  }

  /** Reads the file again if it is another one by now, after a moment, for which a file that is replaced may be gone. */
  refresh(): void {
    if (this.disposed) return;
    clearTimeout(this.reloadTimer);
    this.reloadTimer = setTimeout(() => {
      background(this.reload(), this.log);
    }, settleMilliseconds);
  }

  private async reload(): Promise<void> {
    // The event of the very write that this document was opened for comes late.
    const version = await versionOf(this.uri);
    if (version === this.version) return;
    this.version = version;
    if (version === missing) {
      this.vanished.fire();
      return;
    }
    const next = await read(this.uri, this.log);
    // On a slow disk a later reload may have been faster.
    if (this.disposed || version !== this.version) {
      this.close(next);
      return;
    }
    const previous = this.current;
    this.current = next;
    this.changed.fire();
    this.close(previous);
  }

  private close(content: TraceContent): void {
    if (content.kind === 'open') background(content.reader.close(), this.log);
  }
}

/** Opens a trace wherever it lies. @throws TraceError, errors of the file system */
export async function openTrace(uri: vscode.Uri): Promise<TraceReader> {
  // Loaded on demand: activation does not wait for it.
  if (uri.scheme === 'file') return (await import('../../trace/file.ts')).openTraceFile(uri.fsPath);
  const [{ TraceReader }, { openBytes }] = await Promise.all([
    import('../../trace/reader.ts'),
    import('./byte-source.ts'),
  ]);
  return TraceReader.open(await openBytes(uri));
}

/** @throws TraceError, errors of the file system */
export async function traceKindOf(uri: vscode.Uri): Promise<TraceKind> {
  if (uri.scheme === 'file') return (await import('../../trace/file.ts')).traceFileKind(uri.fsPath);
  const [{ readTraceKind }, { openBytes }] = await Promise.all([
    import('../../trace/kind.ts'),
    import('./byte-source.ts'),
  ]);
  return readTraceKind(await openBytes(uri));
}

/** All of an evaluation wherever it lies. @throws TraceError, errors of the file system */
async function readEvaluation(uri: vscode.Uri): Promise<Evaluation> {
  const [{ EvaluationReader }, { openBytes }] = await Promise.all([
    import('../../trace/evaluation/reader.ts'),
    import('./byte-source.ts'),
  ]);
  const reader = await EvaluationReader.open(await openBytes(uri));
  try {
    return await reader.evaluation();
  } finally {
    await reader.close();
  }
}

/** A traffic trace wherever it lies. @throws TraceError, errors of the file system */
export async function openTraffic(uri: vscode.Uri): Promise<TrafficReader> {
  const [{ TrafficReader }, { openBytes }] = await Promise.all([
    import('../../trace/traffic/reader.ts'),
    import('./byte-source.ts'),
  ]);
  return TrafficReader.open(await openBytes(uri));
}

async function readTraffic(uri: vscode.Uri): Promise<Extract<TraceContent, { kind: 'traffic' }>> {
  const reader = await openTraffic(uri);
  try {
    return { kind: 'traffic', metadata: reader.metadata, tensors: await reader.contents() };
  } finally {
    await reader.close();
  }
}

async function versionOf(uri: vscode.Uri): Promise<string> {
  try {
    const { mtime, ctime, size } = await vscode.workspace.fs.stat(uri);
    return `${mtime} ${ctime} ${size}`;
  } catch {
    return missing;
  }
}

async function read(uri: vscode.Uri, log: vscode.LogOutputChannel): Promise<TraceContent> {
  try {
    switch (await traceKindOf(uri)) {
      case 'evaluation':
        return { kind: 'evaluation', evaluation: await readEvaluation(uri) };
      case 'traffic':
        return await readTraffic(uri);
      case 'run':
        return { kind: 'open', reader: await openTrace(uri) };
    }
  } catch (error) {
    log.warn(`${uri.toString(true)}: ${error instanceof Error ? error.message : String(error)}`);
    return { kind: 'unreadable', problem: traceProblem(error) };
  }
}

/** A file name as a glob pattern that matches only itself. */
function globLiteral(name: string): string {
  return name.replace(/[[\]{}*?]/g, '[$&]');
}
