import path from 'node:path';
import * as vscode from 'vscode';
import { showErrorMessage, showInformationMessage } from '../../notifications.ts';
import { traceExtension } from '../../../trace/schema.ts';
import { traceViewType } from '../../editor/trace-editors.ts';
import { type ListedTrace, runCount, runName } from './run-items.ts';
import { nameProblem, traceFileName, type NameProblem } from './run-rename.ts';
import { keptDays, RunTrash, type Deletion } from './run-trash.ts';

export async function openRuns(traces: readonly vscode.Uri[]): Promise<void> {
  for (const trace of traces)
    await vscode.commands.executeCommand('vscode.openWith', trace, traceViewType, { preview: false });
}

/** Asks for a name and gives it to the trace's file. Editors that show it follow. */
export async function renameRun(run: ListedTrace): Promise<void> {
  const trace = vscode.Uri.file(run.path);
  const folder = vscode.Uri.joinPath(trace, '..');
  const current = runName(run);
  const others = (await vscode.workspace.fs.readDirectory(folder)).map(([name]) => name);
  const typed = await vscode.window.showInputBox({
    title: vscode.l10n.t('Rename Run'),
    prompt: vscode.l10n.t('Name of the file, without {0}', traceExtension),
    value: path.basename(current, traceExtension),
    ignoreFocusOut: true,
    validateInput: value => {
      const problem = nameProblem(value, current, others);
      return problem && problemText(problem, traceFileName(value));
    },
  });
  if (typed === undefined) return;
  const name = traceFileName(typed);
  if (name === current) return;
  const edit = new vscode.WorkspaceEdit();
  // Through an edit and not the file system: open editors then follow, and Undo of the Explorer knows it.
  edit.renameFile(trace, vscode.Uri.joinPath(folder, name), { overwrite: false });
  if (await vscode.workspace.applyEdit(edit)) return;
  await showErrorMessage(
    vscode.l10n.t(
      '{0} could not be renamed to {1}. Refresh the runs to see whether it is still there, and check that you may write to {2}.',
      current,
      name,
      folder.fsPath,
    ),
  );
}

function problemText(problem: NameProblem, name: string): string {
  switch (problem) {
    case 'empty':
      return vscode.l10n.t('Type a name.');
    case 'characters':
      return vscode.l10n.t('Use no \\ / : * ? " < > | and no control characters: some systems refuse them in names.');
    case 'ending':
      return vscode.l10n.t('Begin with another character than a dot, and end with another one than a dot or a space.');
    case 'reserved':
      return vscode.l10n.t('Choose another name: on Windows this one means a device.');
    case 'long':
      return vscode.l10n.t('Choose a shorter name: file systems take 255 bytes.');
    case 'taken':
      return vscode.l10n.t('{0} exists already in this folder. Choose another name.', name);
  }
}

/** Deletes runs, and offers to bring them back as long as the message is there. */
export async function deleteRuns(
  runs: readonly ListedTrace[],
  {
    trashFolder,
    refresh,
    log,
  }: { trashFolder: vscode.Uri; refresh: () => Promise<void>; log: vscode.LogOutputChannel },
): Promise<void> {
  const trash = new RunTrash(trashFolder.fsPath, async file => {
    await vscode.workspace.fs.delete(vscode.Uri.file(file), { useTrash: true });
  });
  const { deleted, failed } = await trash.delete(runs.map(({ path }) => path));
  const wereOpen = await closeEditors(deleted.map(({ path }) => path));
  await refresh();
  for (const { path, inSystemTrash } of deleted)
    log.info(`Deleted ${path}${inSystemTrash ? '' : ' (kept for a while)'}.`);
  const failures = failed.length > 0 ? tellFailures(failed, vscode.l10n.t('could not be deleted'), log) : undefined;
  if (deleted.length > 0) {
    const first = deleted[0]!;
    const what = deleted.length === 1 ? runName(first) : runCount(deleted.length);
    const undo = vscode.l10n.t('Undo');
    const message = deleted.every(({ inSystemTrash }) => inSystemTrash)
      ? vscode.l10n.t('Moved to the trash: {0}.', what)
      : vscode.l10n.t(
          'Deleted: {0}. This machine has no trash; Fovea keeps what was deleted for {1} days in {2}.',
          what,
          keptDays,
          trashFolder.fsPath,
        );
    if ((await showInformationMessage(message, undo)) === undo) {
      const outcome = await trash.restore(deleted);
      await refresh();
      for (const file of outcome.restored) {
        if (wereOpen.has(file))
          await vscode.commands.executeCommand('vscode.openWith', vscode.Uri.file(file), traceViewType);
      }
      if (outcome.failed.length > 0)
        await tellFailures(outcome.failed, vscode.l10n.t('could not be brought back'), log);
    } else {
      await trash.settle(deleted);
    }
  }
  await failures;
}

/** @returns the paths that were open in an editor */
async function closeEditors(paths: readonly string[]): Promise<Set<string>> {
  const files = new Map(paths.map(file => [vscode.Uri.file(file).toString(), file]));
  const open = new Set<string>();
  const tabs = vscode.window.tabGroups.all
    .flatMap(group => group.tabs)
    .filter(({ input }) => {
      const file = input instanceof vscode.TabInputCustom ? files.get(input.uri.toString()) : undefined;
      if (file !== undefined) open.add(file);
      return file !== undefined;
    });
  if (tabs.length > 0) await vscode.window.tabGroups.close(tabs, true);
  return open;
}

async function tellFailures(failed: Deletion['failed'], what: string, log: vscode.LogOutputChannel): Promise<void> {
  const reason = ({ error }: Deletion['failed'][number]): string =>
    error instanceof Error ? error.message : String(error);
  for (const failure of failed) log.error(`${failure.path} ${what}: ${reason(failure)}`);
  const names = failed.map(({ path }) => runName({ path })).join(', ');
  await showErrorMessage(
    vscode.l10n.t(
      '{0} {1}: {2}. Check that you may write to its folder, then try again.',
      names,
      what,
      reason(failed[0]!),
    ),
  );
}

export async function copyPaths(traces: readonly vscode.Uri[]): Promise<void> {
  await vscode.env.clipboard.writeText(traces.map(({ fsPath }) => fsPath).join('\n'));
}
