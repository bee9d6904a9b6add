import path from 'node:path';
import * as vscode from 'vscode';
import { showInformationMessage } from '../notifications.ts';
import { revealFile } from './reveal-file.ts';

/** Says that a file was written, and opens or reveals it where the user likes. @param opener what shows such files best */
export async function offerWritten(target: vscode.Uri, opener: 'editor' | 'system'): Promise<void> {
  const [open, reveal] = [vscode.l10n.t('Open'), vscode.l10n.t('Reveal')];
  const message = vscode.l10n.t('{0} is written.', path.posix.basename(target.path));
  const answer = await showInformationMessage(message, open, reveal);
  if (answer === reveal) await revealFile(target);
  if (answer !== open) return;
  if (opener === 'system') {
    // A machine that is elsewhere has nothing to open it with.
    if (!(await vscode.env.openExternal(target))) await revealFile(target);
  } else await vscode.commands.executeCommand('vscode.open', target);
}
