import * as vscode from 'vscode';
import type { RunFolder } from '../../analysis/run-folder.ts';
import type { RunIndex } from '../run-index.ts';

/** Where the command line puts runs, in the folder that it is used in. */
const commandLineFolder = 'fovea-runs';

/** Absolute paths of all folders that runs are looked for in: of the settings, VS Code's storage, the command line's. */
export function runPlaces(
  runs: Pick<RunFolder, 'location'>,
  { storageUri, globalStorageUri }: Pick<vscode.ExtensionContext, 'storageUri' | 'globalStorageUri'>,
): string[] {
  const workspaceFolders = vscode.workspace.workspaceFolders?.map(({ uri }) => uri) ?? [];
  const places = [
    runs.location(),
    ...workspaceFolders.map(folder => runs.location(folder)),
    // Runs from before the setting was changed.
    vscode.Uri.joinPath(storageUri ?? globalStorageUri, 'runs'),
    ...workspaceFolders.map(folder => vscode.Uri.joinPath(folder, commandLineFolder)),
  ];
  return [...new Set(places.filter(({ scheme }) => scheme === 'file').map(({ fsPath }) => fsPath))];
}

/** The one index of a window, made when it is first asked for: activation does not load the reader of traces. */
export class LazyRunIndex implements vscode.Disposable {
  private index: Promise<RunIndex> | undefined;
  private disposed = false;

  constructor(
    private readonly folders: () => readonly string[],
    private readonly log: vscode.LogOutputChannel,
  ) {}

  get(): Promise<RunIndex> {
    this.index ??= this.make();
    return this.index;
  }

  dispose(): void {
    this.disposed = true;
    void this.index?.then(index => {
      index.dispose();
    });
  }

  private async make(): Promise<RunIndex> {
    const { RunIndex } = await import('../run-index.ts');
    const index = new RunIndex(this.folders, this.log);
    if (this.disposed) index.dispose();
    return index;
  }
}
