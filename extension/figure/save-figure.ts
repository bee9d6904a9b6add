import path from 'node:path';
import * as vscode from 'vscode';
import { showErrorMessage, showWarningMessage } from '../notifications.ts';
import type { FigureName } from '../../webview/messages.ts';
import type { TracePanel } from '../editor/trace-panel.ts';
import { plainLabel } from '../plain-words.ts';
import { Settings } from '../settings/settings.ts';
import { offerWritten } from '../files/offer-written.ts';

/**
 * Lets the user choose one of the panel's figures and a file for it, and writes that.
 * @param wanted the figure where it is known already: from the context menu, or of the chart that has the focus
 */
export async function saveFigure(
  panel: TracePanel,
  wanted: number | undefined,
  log: vscode.LogOutputChannel,
): Promise<void> {
  let written: vscode.Uri | undefined;
  try {
    written = await writeFigure(panel, wanted, log);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    log.error(`Figure: ${message}`);
    await showErrorMessage(vscode.l10n.t('The figure was not saved: {0}', message));
  }
  if (written) await offerWritten(written, 'editor');
}

/** @returns undefined when the user left */
async function writeFigure(
  panel: TracePanel,
  wanted: number | undefined,
  log: vscode.LogOutputChannel,
): Promise<vscode.Uri | undefined> {
  const figure = await chooseFigure(await panel.questions.figures(), wanted);
  const target = figure && (await chooseFile(panel.document.uri, figure));
  if (!target) return undefined;
  const format = path.extname(target.path).toLowerCase() === '.png' ? 'png' : 'svg';
  const data = await panel.questions.figure({ figure: figure.id, format, theme: new Settings().figureTheme });
  await vscode.workspace.fs.writeFile(target, data);
  log.info(`Figure: ${target.fsPath} (${data.length} bytes)`);
  return target;
}

async function chooseFigure(
  figures: readonly FigureName[],
  wanted: number | undefined,
): Promise<FigureName | undefined> {
  const known = figures.find(({ id }) => id === wanted);
  if (known) return known;
  const items = figures.map(figure => ({ label: plainLabel(figure.title), figure }));
  const chosen = await vscode.window.showQuickPick(items, {
    title: vscode.l10n.t('Save Figure'),
    placeHolder: vscode.l10n.t('Choose what to save; it is saved as the panel shows it now'),
  });
  return chosen?.figure;
}

async function chooseFile(trace: vscode.Uri, { fileName }: FigureName): Promise<vscode.Uri | undefined> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri ?? vscode.Uri.joinPath(trace, '..');
  const target = await vscode.window.showSaveDialog({
    title: vscode.l10n.t('Save Figure'),
    defaultUri: vscode.Uri.joinPath(folder, `${fileName}.svg`),
    filters: {
      [vscode.l10n.t('SVG, vector')]: ['svg'],
      [vscode.l10n.t('PNG, 300 dots per inch')]: ['png'],
    },
  });
  if (!target || /\.(svg|png)$/i.test(target.path)) return target;
  void showWarningMessage(vscode.l10n.t('The ending of the name chooses the format: {0}.', 'svg, png'));
  return undefined;
}
