import * as vscode from 'vscode';
import { showErrorMessage, showInformationMessage } from '../notifications.ts';
import type { TrafficProgress, TrafficResult } from '../../native/rpc.ts';
import { offerRemedies } from '../analysis/failure-notice.ts';
import type { RunFolder } from '../analysis/run-folder.ts';
import type { PipelineClient, TrafficOrder } from '../pipeline/client.ts';
import { Settings } from '../settings/settings.ts';
import { pickTraffic } from './traffic-picker.ts';

export interface TrafficServices {
  readonly extensionUri: vscode.Uri;
  readonly pipeline: PipelineClient;
  readonly runs: RunFolder;
  readonly bundledModel: vscode.Uri;
  readonly log: vscode.LogOutputChannel;
  readonly openTrace: (trace: vscode.Uri) => Promise<void>;
}

/** Asks for workload, ranks, rivals and links, runs them on threads of this machine, and opens the trace. */
export async function runTraffic(services: TrafficServices): Promise<void> {
  const { pipeline, runs, bundledModel, log, openTrace } = services;
  try {
    const pick = await pickTraffic(new Settings().modelFolder ?? bundledModel.fsPath, services.extensionUri);
    if (!pick) return;
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri ?? runs.location();
    const file = await runs.reserve(vscode.Uri.joinPath(folder, `lv-xattn-${pick.name}`));
    try {
      const order: TrafficOrder = { ...pick.request, tracePath: file.trace.fsPath };
      log.info(`Traffic: ${order.ranks} ranks, ${order.choices.map(({ algorithm }) => algorithm).join(', ')}`);
      const result = await withProgress(pipeline, order);
      if (!result) {
        vscode.window.setStatusBarMessage(vscode.l10n.t('The ranks were cancelled before anything ran'), 5_000);
        return;
      }
      await openTrace(vscode.Uri.file(result.tracePath));
      report(result);
    } finally {
      await file.dispose();
    }
  } catch (error) {
    log.error(error instanceof Error ? error : String(error));
    await offerRemedies(error, log, { tryAgain: () => runTraffic(services) });
  }
}

/** The panel shows the same, in full. */
function report({ state, cause, violations }: TrafficResult): void {
  if (violations.length > 0) {
    const message = vscode.l10n.t('The ranks did not do what they should: {0}', violations.join('; '));
    void showErrorMessage(message);
  } else if (state === 'partial' && cause) {
    const message = [cause.message, cause.hint].filter(part => part !== '').join(' ');
    if (cause.code === 'cancelled') void showInformationMessage(message);
    else void showErrorMessage(message);
  }
}

function withProgress(pipeline: PipelineClient, order: TrafficOrder): Promise<TrafficResult | undefined> {
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: vscode.l10n.t('Fovea: {0} ranks', order.ranks),
    cancellable: true,
  };
  const work = vscode.window.withProgress(options, async (notification, token) => {
    const control = new AbortController();
    const subscription = token.onCancellationRequested(() => {
      notification.report({ message: vscode.l10n.t('keeping what was sent so far…') });
      control.abort();
    });
    try {
      return await pipeline.traffic(
        order,
        progress => {
          if (!control.signal.aborted) notification.report({ message: words(progress) });
        },
        control.signal,
      );
    } finally {
      subscription.dispose();
    }
  });
  return Promise.resolve(work);
}

function words({ doing, label, done, total }: TrafficProgress): string {
  switch (doing) {
    case 'queued':
      return vscode.l10n.t('waiting for the runs before it');
    case 'workload':
      return vscode.l10n.t('preparing queries, keys and values');
    case 'reference':
      return vscode.l10n.t('the same on one device, to compare with');
    case 'run':
      return vscode.l10n.t('{0}, {1} of {2}', label, done, total);
  }
}
