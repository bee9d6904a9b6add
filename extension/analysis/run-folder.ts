import * as vscode from 'vscode';
import { PipelineFailure } from '../pipeline/failure.ts';
import { Settings } from '../settings/settings.ts';
import { isLeftover, runFileName } from './run-name.ts';

const partialEnding = '.fovea.partial';

/** Where traces are written: the folder of the setting, else VS Code's storage of this extension. */
export class RunFolder {
  private readonly started = Date.now();
  /** Paths of runs in progress: their files do not exist yet. */
  private readonly reserved = new Set<string>();

  constructor(
    private readonly context: Pick<vscode.ExtensionContext, 'storageUri' | 'globalStorageUri'>,
    private readonly log: vscode.LogOutputChannel,
  ) {}

  location(resource?: vscode.Uri): vscode.Uri {
    const folder = new Settings(resource).runsFolder;
    if (folder !== undefined) return vscode.Uri.file(folder);
    return vscode.Uri.joinPath(this.context.storageUri ?? this.context.globalStorageUri, 'runs');
  }

  /**
   * Creates the folder, removes what unfinished runs left in it, and reserves a name until disposed.
   * @throws PipelineFailure with code `disk`
   */
  async reserve(image: vscode.Uri): Promise<{ readonly trace: vscode.Uri; dispose(): Promise<void> }> {
    const folder = this.location(image);
    const entries = await entriesOf(folder);
    await this.removeLeftovers(folder, entries);
    const names = new Set(entries.map(([name]) => name));
    const path = (name: string): string => vscode.Uri.joinPath(folder, name).path;
    const name = runFileName(image.path, new Date(), name => names.has(name) || this.reserved.has(path(name)));
    const trace = vscode.Uri.joinPath(folder, name);
    this.reserved.add(trace.path);
    return {
      trace,
      dispose: async () => {
        this.reserved.delete(trace.path);
        await this.removeLeftovers(folder, [[`${name}.partial`, vscode.FileType.File]], true);
      },
    };
  }

  private async removeLeftovers(
    folder: vscode.Uri,
    entries: readonly (readonly [string, vscode.FileType])[],
    ownRun = false,
  ): Promise<void> {
    for (const [name] of entries) {
      if (!name.endsWith(partialEnding)) continue;
      const file = vscode.Uri.joinPath(folder, name);
      if (this.reserved.has(file.path.slice(0, -'.partial'.length))) continue;
      try {
        const { mtime } = await vscode.workspace.fs.stat(file);
        if (ownRun || isLeftover(mtime, Date.now(), this.started)) await vscode.workspace.fs.delete(file);
      } catch (error) {
        // Finished by its owner in between, or locked: neither is worth failing a run.
        if (!(error instanceof vscode.FileSystemError && error.code === 'FileNotFound')) {
          this.log.warn(`Could not remove ${name}: ${String(error)}`);
        }
      }
    }
  }
}

async function entriesOf(folder: vscode.Uri): Promise<[string, vscode.FileType][]> {
  try {
    await vscode.workspace.fs.createDirectory(folder);
    return await vscode.workspace.fs.readDirectory(folder);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const hint = vscode.l10n.t('Choose another folder for the runs, or change the permissions of this one.');
    const message = vscode.l10n.t('Runs cannot be kept in {0}: {1}.', folder.fsPath, reason);
    throw new PipelineFailure(message, { kind: 'reported', code: 'disk', hint }, { cause });
  }
}
