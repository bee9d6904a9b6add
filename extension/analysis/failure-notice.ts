import * as vscode from 'vscode';
import { howItEnded, lastWords, PipelineFailure, type PipelineFailureDetail } from '../pipeline/failure.ts';

/** Ways out of a failure; each is a button. */
export type Remedy =
  'showLog' | 'chooseModel' | 'restartPipeline' | 'tryAgain' | 'askAgain' | 'chooseDevice' | 'chooseFolder';

/** Says what went wrong and what to do next. Resolves with what the user chose. */
export async function showFailure(error: unknown): Promise<Remedy | undefined> {
  const { text, remedies } = describe(error);
  const labels = remedyLabels();
  const chosen = await vscode.window.showErrorMessage(text, ...remedies.map(remedy => labels[remedy]));
  return remedies.find(remedy => labels[remedy] === chosen);
}

function describe(error: unknown): { text: string; remedies: Remedy[] } {
  if (error instanceof PipelineFailure) return { text: sentence(error), remedies: remediesFor(error.detail) };
  const message = error instanceof Error ? error.message : String(error);
  return { text: vscode.l10n.t('Fovea: {0}', message), remedies: ['tryAgain', 'showLog'] };
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

function remediesFor(detail: PipelineFailureDetail): Remedy[] {
  switch (detail.kind) {
    case 'crashed':
      return ['showLog', 'tryAgain', 'chooseModel'];
    case 'refused':
      return ['showLog', 'restartPipeline', 'chooseModel'];
    case 'reported':
      break;
  }
  switch (detail.code) {
    case 'checkpoint-missing':
    case 'checkpoint-malformed':
    case 'architecture-unsupported':
    case 'shape-mismatch':
      return ['chooseModel', 'showLog'];
    case 'out-of-memory':
      return ['chooseModel', 'restartPipeline', 'showLog'];
    case 'device-unavailable':
      return ['chooseDevice', 'showLog'];
    case 'disk':
      return ['tryAgain', 'chooseFolder', 'showLog'];
    case 'question-invalid':
    case 'question-too-long':
    case 'method-failed':
    case 'budget-impossible':
      return ['askAgain'];
    case 'image-unreadable':
    case 'image-too-large':
      return ['tryAgain', 'showLog'];
    case 'rank-failed':
    case 'usage':
    case 'question-set':
    case 'cancelled':
    case 'internal':
      return ['tryAgain', 'restartPipeline', 'showLog'];
  }
}

function remedyLabels(): Readonly<Record<Remedy, string>> {
  return {
    showLog: vscode.l10n.t('Show Log'),
    chooseModel: vscode.l10n.t('Choose Model…'),
    restartPipeline: vscode.l10n.t('Restart Pipeline'),
    tryAgain: vscode.l10n.t('Try Again'),
    askAgain: vscode.l10n.t('Ask Another Question'),
    chooseDevice: vscode.l10n.t('Change Device'),
    chooseFolder: vscode.l10n.t('Change Folder'),
  };
}
