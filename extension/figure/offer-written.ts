import path from 'node:path';
import * as vscode from 'vscode';

/** Says that a file was written, and opens or reveals it where the user likes. @param opener what shows such files best */
export async function offerWritten(target: vscode.Uri, opener: 'editor' | 'system'): Promise<void> {
  const [open, reveal] = [vscode.l10n.t('Open'), vscode.l10n.t('Reveal')];
  const message = vscode.l10n.t('{0} is written.', path.posix.basename(target.path));
  const answer = await vscode.window.showInformationMessage(message, open, reveal);
  if (answer === reveal) await revealFile(target);
  if (answer !== open) return;
  if (opener === 'system') await vscode.env.openExternal(target);
  else await vscode.commands.executeCommand('vscode.open', target);
}

/** In the Explorer where the workspace has the file, else in the system's file manager. */
async function revealFile(file: vscode.Uri): Promise<void> {
  const inWorkspace = vscode.workspace.getWorkspaceFolder(file) !== undefined;
  await vscode.commands.executeCommand(inWorkspace ? 'revealInExplorer' : 'revealFileInOS', file);
}
