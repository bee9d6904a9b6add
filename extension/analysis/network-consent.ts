import * as vscode from 'vscode';
import { foreignShares } from '../../trace/network-path.ts';

/**
 * Asks before files are opened on another computer that only a trace names: on Windows that computer learns the user's name for it.
 * @param trace what names them; files on its own share are opened without asking
 */
export async function agreesToOpen(paths: readonly string[], trace: vscode.Uri | undefined): Promise<boolean> {
  const shares = foreignShares(paths, trace?.fsPath);
  if (shares.length === 0) return true;
  const open = vscode.l10n.t('Open');
  const message = vscode.l10n.t('This run names files on another computer: {0}', shares.join(', '));
  const detail = vscode.l10n.t(
    'Opening them signs you in there. Go on only if you know where the run comes from; otherwise choose the image and the model yourself.',
  );
  return (await vscode.window.showWarningMessage(message, { modal: true, detail }, open)) === open;
}
