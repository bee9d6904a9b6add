import * as vscode from 'vscode';
import { showErrorMessage } from '../notifications.ts';
import { howItEnded, lastWords, PipelineFailure } from '../pipeline/failure.ts';
import { remediesFor, type Remedy, type Retry } from './remedies.ts';

/** Says what went wrong and what to do next, and does what the user chooses of it. */
export async function offerRemedies(
  error: unknown,
  log: vscode.LogOutputChannel,
  retries: Readonly<Partial<Record<Retry, () => Promise<unknown>>>>,
): Promise<void> {
  const remedies = remediesFor(error, Object.keys(retries) as Retry[]);
  const labels = remedyLabels();
  const chosen = await showErrorMessage(failureText(error), ...remedies.map(remedy => labels[remedy]));
  switch (remedies.find(remedy => labels[remedy] === chosen)) {
    case 'tryAgain':
      await retries.tryAgain?.();
      break;
    case 'askAgain':
      await retries.askAgain?.();
      break;
    case 'chooseMethod':
      await retries.chooseMethod?.();
      break;
    case 'showLog':
      log.show(true);
      break;
    case 'chooseModel':
      await vscode.commands.executeCommand('fovea.chooseModel');
      break;
    case 'restartPipeline':
      await vscode.commands.executeCommand('fovea.restartPipeline');
      break;
    case 'chooseDevice':
      await vscode.commands.executeCommand('workbench.action.openSettings', 'fovea.device');
      break;
    case 'chooseFolder':
      await vscode.commands.executeCommand('workbench.action.openSettings', 'fovea.runs.folder');
      break;
    case undefined:
      break;
  }
}

/** What went wrong, and the next step where the pipeline named one. */
export function failureText(error: unknown): string {
  if (error instanceof PipelineFailure) return sentence(error);
  return vscode.l10n.t('Fovea: {0}', error instanceof Error ? error.message : String(error));
}

function sentence({ detail, message }: PipelineFailure): string {
  switch (detail.kind) {
    case 'reported':
      return detail.hint === '' ? message : `${message} ${detail.hint}`;
    case 'crashed': {
      const words = lastWords(detail.end.stderrTail);
      const what = vscode.l10n.t(
        'The pipeline ended unexpectedly ({0}). The log says why; the next run starts a fresh one.',
        howItEnded(detail.end),
      );
      return words === '' ? what : `${what} ${vscode.l10n.t('Its last words: {0}', words.slice(0, 200))}`;
    }
    case 'refused':
      return vscode.l10n.t(
        'The pipeline crashed three times within a minute, so it is not started for another {0} s. Look into the log, choose another model or device, or restart it by hand.',
        detail.seconds,
      );
  }
}

function remedyLabels(): Readonly<Record<Remedy, string>> {
  return {
    showLog: vscode.l10n.t('Show Log'),
    chooseModel: vscode.l10n.t('Choose Model…'),
    restartPipeline: vscode.l10n.t('Restart Pipeline'),
    tryAgain: vscode.l10n.t('Try Again'),
    askAgain: vscode.l10n.t('Ask Another Question'),
    chooseMethod: vscode.l10n.t('Choose Method…'),
    chooseDevice: vscode.l10n.t('Change Device'),
    chooseFolder: vscode.l10n.t('Change Folder'),
  };
}
