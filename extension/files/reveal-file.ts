import path from 'node:path';
import * as vscode from 'vscode';
import { showInformationMessage } from '../notifications.ts';

/** In the Explorer where the workspace has the file, else in the system's file manager. */
export async function revealFile(file: vscode.Uri): Promise<void> {
  if (vscode.workspace.getWorkspaceFolder(file)) {
    await vscode.commands.executeCommand('revealInExplorer', file);
    return;
  }
  try {
    await vscode.commands.executeCommand('revealFileInOS', file);
  } catch {
    // In a browser there is no file manager.
    const copy = vscode.l10n.t('Copy Path');
    const message = vscode.l10n.t(
      '{0} lies outside the workspace, in {1}.',
      path.basename(file.fsPath),
      path.dirname(file.fsPath),
    );
    if ((await showInformationMessage(message, copy)) === copy) await vscode.env.clipboard.writeText(file.fsPath);
  }
}
