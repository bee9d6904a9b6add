import path from 'node:path';
import * as vscode from 'vscode';
import { trusted } from '../../analysis/analysis.ts';
import type { ListedTrace } from './run-items.ts';
import { RunsView, trashFolder, type RunsViewServices } from './runs-view.ts';
import { describingSamples, nextSample } from './sample.ts';

/** The view of the runs with its commands. */
export function registerRunsView(
  services: RunsViewServices & { readonly extensionUri: vscode.Uri },
): vscode.Disposable {
  const view = new RunsView(services);
  const { globalStorageUri, log } = services;
  const refresh = (): Promise<void> => view.refresh();
  const one = async (clicked: unknown, act: (run: ListedTrace) => Promise<void>): Promise<void> => {
    const [run] = view.chosen(clicked, undefined);
    if (run) await act(run);
  };
  const oneFile = async (clicked: unknown, act: (file: vscode.Uri) => Promise<void>): Promise<void> => {
    const [file] = view.chosenFiles(clicked, undefined);
    if (file) await act(file);
  };
  return vscode.Disposable.from(
    view,
    vscode.commands.registerCommand('fovea.runs.open', async (clicked, selected) =>
      (await import('./run-commands.ts')).openRuns(view.chosenFiles(clicked, selected)),
    ),
    vscode.commands.registerCommand('fovea.runs.rename', clicked =>
      one(clicked, async run => (await import('./run-commands.ts')).renameRun(run)),
    ),
    vscode.commands.registerCommand('fovea.runs.delete', async (clicked, selected) => {
      await (
        await import('./run-commands.ts')
      ).deleteRuns(view.chosen(clicked, selected), { trashFolder: trashFolder(globalStorageUri), refresh, log });
    }),
    vscode.commands.registerCommand('fovea.runs.reveal', clicked =>
      oneFile(clicked, async file => (await import('../../files/reveal-file.ts')).revealFile(file)),
    ),
    vscode.commands.registerCommand('fovea.runs.copyPath', async (clicked, selected) =>
      (await import('./run-commands.ts')).copyPaths(view.chosenFiles(clicked, selected)),
    ),
    vscode.commands.registerCommand('fovea.runs.exportReport', async (clicked, selected) => {
      await vscode.commands.executeCommand('fovea.exportReport', view.chosenFiles(clicked, selected));
    }),
    vscode.commands.registerCommand('fovea.runs.exportPerfetto', clicked =>
      oneFile(clicked, async file => {
        await vscode.commands.executeCommand('fovea.exportPerfetto', file);
      }),
    ),
    vscode.commands.registerCommand('fovea.runs.refresh', refresh),
    vscode.commands.registerCommand('fovea.analyzeSample', () => analyzeSample(services)),
  );
}

/** Runs the model on a sample that has no run yet: one click from nothing to a picture of attention. */
async function analyzeSample({ extensionUri, index }: Parameters<typeof registerRunsView>[0]): Promise<void> {
  if (!trusted()) return;
  const folder = vscode.Uri.joinPath(extensionUri, 'media', 'samples');
  const list = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(folder, 'questions.json'));
  const runs = await (await index.get()).list();
  const images = runs.map(({ metadata }) => metadata.image.path ?? '');
  const analyzed = new Set(
    images.filter(image => path.dirname(image) === folder.fsPath).map(image => path.basename(image)),
  );
  const sample = nextSample(describingSamples(new TextDecoder().decode(list)), analyzed);
  if (!sample) throw new Error(vscode.l10n.t('This installation of Fovea has no samples. Install it again.'));
  await vscode.commands.executeCommand('fovea.analyzeImage', vscode.Uri.joinPath(folder, sample.file), sample.question);
}
