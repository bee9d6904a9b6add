import path from 'node:path';
import * as vscode from 'vscode';
import { reportFormats, type ReportFormat } from '../../native/rpc.ts';
import { traceExtension } from '../../trace/schema.ts';
import type { PipelineClient } from '../pipeline/client.ts';
import { PipelineFailure } from '../pipeline/failure.ts';

export interface ReportServices {
  readonly pipeline: PipelineClient;
  readonly log: vscode.LogOutputChannel;
}

/** Asks where to, lets the pipeline process write the report of a trace, and offers to open it. */
export async function exportReport({ pipeline, log }: ReportServices, trace: vscode.Uri | undefined): Promise<void> {
  if (!trace) {
    void vscode.window.showInformationMessage(vscode.l10n.t('Open a trace first; its report can then be exported.'));
    return;
  }
  if (trace.scheme !== 'file') {
    const message = vscode.l10n.t('This trace is not a file on this machine. Save a copy to a folder and open that.');
    void vscode.window.showWarningMessage(message);
    return;
  }
  const chosen = await chooseFile(trace);
  if (!chosen) return;
  const { target, format } = chosen;
  try {
    const name = path.basename(target.fsPath);
    const progress = {
      location: vscode.ProgressLocation.Notification,
      title: vscode.l10n.t('Writing {0}…', name),
      cancellable: false,
    };
    const written = await vscode.window.withProgress(progress, () =>
      pipeline.report({ sources: [trace.fsPath], outPath: target.fsPath, format }),
    );
    if (!written) return;
    log.info(`Report: ${written.files.join(', ')} (${written.bytes} bytes)`);
    await offer(target, format);
  } catch (error) {
    log.error(error instanceof Error ? error : String(error));
    const showLog = vscode.l10n.t('Show Log');
    if ((await vscode.window.showErrorMessage(sentence(error), showLog)) === showLog) log.show(true);
  }
}

async function chooseFile(trace: vscode.Uri): Promise<{ target: vscode.Uri; format: ReportFormat } | undefined> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri ?? vscode.Uri.joinPath(trace, '..');
  const name = path.basename(trace.fsPath, traceExtension);
  const target = await vscode.window.showSaveDialog({
    title: vscode.l10n.t('Export Report'),
    saveLabel: vscode.l10n.t('Export'),
    defaultUri: vscode.Uri.joinPath(folder, `${name}.html`),
    filters: {
      [vscode.l10n.t('Web page, interactive, one file')]: ['html'],
      [vscode.l10n.t('PDF')]: ['pdf'],
      [vscode.l10n.t('Markdown with pictures')]: ['md'],
      [vscode.l10n.t('Numbers as JSON')]: ['json'],
      [vscode.l10n.t('Tables as CSV')]: ['csv'],
    },
  });
  if (!target) return undefined;
  const ending = path.extname(target.fsPath).slice(1).toLowerCase();
  const format = reportFormats.find(one => one === ending);
  if (format && target.scheme === 'file') return { target, format };
  const message = format
    ? vscode.l10n.t('A report is written to a folder of this machine.')
    : vscode.l10n.t('The ending of the name chooses the format: {0}.', reportFormats.join(', '));
  void vscode.window.showWarningMessage(message);
  return undefined;
}

async function offer(target: vscode.Uri, format: ReportFormat): Promise<void> {
  const [open, reveal] = [vscode.l10n.t('Open'), vscode.l10n.t('Reveal')];
  const message = vscode.l10n.t('{0} is written.', path.basename(target.fsPath));
  const answer = await vscode.window.showInformationMessage(message, open, reveal);
  if (answer === reveal) await vscode.commands.executeCommand('revealFileInOS', target);
  if (answer !== open) return;
  if (format === 'html' || format === 'pdf') await vscode.env.openExternal(target);
  else await vscode.commands.executeCommand('vscode.open', target);
}

function sentence(error: unknown): string {
  if (error instanceof PipelineFailure && error.detail.kind === 'reported')
    return [error.message, error.detail.hint].filter(part => part !== '').join(' ');
  if (error instanceof PipelineFailure && error.detail.kind === 'crashed')
    return vscode.l10n.t('The pipeline ended before the report was written. The log says why; try again.');
  return vscode.l10n.t('Fovea: {0}', error instanceof Error ? error.message : String(error));
}
