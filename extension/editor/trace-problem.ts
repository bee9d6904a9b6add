import * as vscode from 'vscode';
import { TraceError } from '../../trace/errors.ts';

/** Why a trace cannot be shown, and what to do next. */
export interface TraceProblem {
  readonly message: string;
  readonly hint: string;
}

export function traceProblem(error: unknown): TraceProblem {
  if (error instanceof TraceError) return { message: error.message, hint: hintFor(error) };
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'FileNotFound')) {
    return {
      message: vscode.l10n.t('This file no longer exists.'),
      hint: vscode.l10n.t('Choose another run with "Fovea: Open Trace…".'),
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  return {
    message: vscode.l10n.t('This file cannot be read: {0}', message),
    hint: vscode.l10n.t('Check that it exists and that you may read it, then close and open it again.'),
  };
}

function hintFor(error: TraceError): string {
  switch (error.code) {
    case 'newer-schema':
      return vscode.l10n.t('It was written by a newer Fovea. Update the extension in the Extensions view.');
    case 'malformed':
      return vscode.l10n.t('The file is damaged or was not written completely. Analyze the image again.');
    case 'other-kind':
      return vscode.l10n.t('Open it by itself; its kind has a view of its own.');
    case 'missing-tensor':
    case 'wrong-tensor':
    case 'bad-metadata':
    case 'bad-value':
      return vscode.l10n.t(
        'The file is not a trace that Fovea wrote, or it was changed. If another program writes it, let that program follow the trace format; otherwise analyze the image again.',
      );
  }
}
