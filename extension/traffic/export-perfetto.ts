import path from 'node:path';
import * as vscode from 'vscode';
import { showErrorMessage, showInformationMessage } from '../notifications.ts';
import { traceExtension } from '../../trace/schema.ts';
import { type ChromeTrace, chromeTrace } from '../../trace/traffic/perfetto.ts';
import { openTraffic, traceKindOf } from '../editor/trace-document.ts';
import { traceProblem } from '../editor/trace-problem.ts';
import { offerWritten } from '../files/offer-written.ts';

/** Writes a traffic trace as Chrome trace events, which ui.perfetto.dev opens. */
export async function exportPerfetto(trace: vscode.Uri | undefined, log: vscode.LogOutputChannel): Promise<void> {
  if (!trace) {
    void showInformationMessage(vscode.l10n.t('Open a traffic trace first; it can then be exported.'));
    return;
  }
  let written: vscode.Uri | undefined;
  try {
    written = await writeEvents(trace, log);
  } catch (error) {
    log.error(error instanceof Error ? error : String(error));
    const { message, hint } = traceProblem(error);
    await showErrorMessage(`${message} ${hint}`);
  }
  if (written) await offerWritten(written, 'editor');
}

/** @returns undefined when the user left, or when the trace is of another kind, which is told */
async function writeEvents(trace: vscode.Uri, log: vscode.LogOutputChannel): Promise<vscode.Uri | undefined> {
  if ((await traceKindOf(trace)) !== 'traffic') {
    const message = vscode.l10n.t(
      'This trace holds no traffic between ranks. "Fovea: Run LV-XAttn on this Machine…" makes one.',
    );
    void showInformationMessage(message);
    return undefined;
  }
  const events = await eventsOf(trace);
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri ?? vscode.Uri.joinPath(trace, '..');
  const name = path.posix.basename(trace.path, traceExtension);
  const target = await vscode.window.showSaveDialog({
    title: vscode.l10n.t('Export Traffic for Perfetto'),
    saveLabel: vscode.l10n.t('Export'),
    defaultUri: vscode.Uri.joinPath(folder, `${name}.perfetto.json`),
    filters: { [vscode.l10n.t('Chrome trace events, for ui.perfetto.dev')]: ['json'] },
  });
  if (!target) return undefined;
  await vscode.workspace.fs.writeFile(target, Buffer.from(JSON.stringify(events)));
  log.info(`Perfetto: ${target.fsPath} (${events.traceEvents.length} events); open it at ui.perfetto.dev.`);
  return target;
}

async function eventsOf(trace: vscode.Uri): Promise<ChromeTrace> {
  const reader = await openTraffic(trace);
  try {
    return chromeTrace(reader.metadata, await reader.ledger());
  } finally {
    await reader.close();
  }
}
