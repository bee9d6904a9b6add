import path from 'node:path';
import * as vscode from 'vscode';
import { showInformationMessage, showWarningMessage } from '../notifications.ts';
import { reportFormats, type ReportFormat } from '../../native/rpc.ts';
import { traceExtension } from '../../trace/schema.ts';
import { offerRemedies } from '../analysis/failure-notice.ts';
import { offerWritten } from '../files/offer-written.ts';
import type { PipelineClient } from '../pipeline/client.ts';
import { plainMessage } from '../plain-words.ts';

export interface ReportServices {
  readonly pipeline: PipelineClient;
  readonly log: vscode.LogOutputChannel;
}

/**
 * Asks where to, lets the pipeline process write the report, and offers to open it.
 * @param traces one, or several to compare
 */
export async function exportReport({ pipeline, log }: ReportServices, traces: readonly vscode.Uri[]): Promise<void> {
  if (traces.length === 0) {
    void showInformationMessage(vscode.l10n.t('Open a trace first; its report can then be exported.'));
    return;
  }
  if (traces.some(({ scheme }) => scheme !== 'file')) {
    const message = vscode.l10n.t('This trace is not a file on this machine. Save a copy to a folder and open that.');
    void showWarningMessage(message);
    return;
  }
  const chosen = await chooseFile(traces);
  if (!chosen) return;
  const { target, format } = chosen;
  let isWritten = false;
  try {
    isWritten = await write(pipeline, log, traces, chosen);
  } catch (error) {
    log.error(error instanceof Error ? error : String(error));
    await offerRemedies(error, log, { tryAgain: () => exportReport({ pipeline, log }, traces) });
  }
  if (isWritten) await offerWritten(target, format === 'html' || format === 'pdf' ? 'system' : 'editor');
}

/** @returns whether it was written; false when the user cancelled. @throws PipelineFailure */
async function write(
  pipeline: PipelineClient,
  log: vscode.LogOutputChannel,
  traces: readonly vscode.Uri[],
  { target, format }: ChosenFile,
): Promise<boolean> {
  const name = path.basename(target.fsPath);
  const progress = {
    location: vscode.ProgressLocation.Notification,
    title: vscode.l10n.t('Writing {0}…', plainMessage(name)),
    cancellable: true,
  };
  const order = { sources: traces.map(({ fsPath }) => fsPath), outPath: target.fsPath, format };
  const written = await vscode.window.withProgress(progress, async (_, token) => {
    const abort = new AbortController();
    const listener = token.onCancellationRequested(() => {
      abort.abort();
    });
    try {
      return await pipeline.report(order, abort.signal);
    } finally {
      listener.dispose();
    }
  });
  if (!written) {
    vscode.window.setStatusBarMessage(vscode.l10n.t('{0} was not written', name), 5_000);
    return false;
  }
  log.info(`Report: ${written.files.join(', ')} (${written.bytes} bytes)`);
  return true;
}

interface ChosenFile {
  readonly target: vscode.Uri;
  readonly format: ReportFormat;
}

async function chooseFile(traces: readonly vscode.Uri[]): Promise<ChosenFile | undefined> {
  const [trace] = traces;
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri ?? vscode.Uri.joinPath(trace!, '..');
  const stem = path.basename(trace!.fsPath, traceExtension);
  const name = traces.length === 1 ? stem : `${stem}-comparison`;
  const target = await vscode.window.showSaveDialog({
    title:
      traces.length === 1
        ? vscode.l10n.t('Export Report')
        : vscode.l10n.t('Export Comparison of {0} Runs', traces.length),
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
  void showWarningMessage(message);
  return undefined;
}
