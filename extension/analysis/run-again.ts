import * as vscode from 'vscode';
import { showInformationMessage } from '../notifications.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import type { RunAgain } from '../../webview/messages.ts';
import type { Analysis } from './analysis.ts';
import { orderOf } from './run-order.ts';

/** Runs a trace's image and question with what was asked for in its panel, and offers to compare both runs. */
export async function runAgain(
  analysis: Analysis,
  trace: vscode.Uri,
  metadata: RunMetadata,
  request: RunAgain,
  services: { readonly bundledModel: vscode.Uri; readonly canCompare: boolean },
): Promise<void> {
  const order = orderOf(metadata, request, services.bundledModel.fsPath);
  const fresh = await analysis.runAgain(trace, metadata.prompt.question, order);
  if (!fresh || !services.canCompare) return;
  const compare = vscode.l10n.t('Compare');
  const message = vscode.l10n.t('Both runs on {0} are kept.', metadata.image.name);
  const answer = await showInformationMessage(message, compare);
  if (answer === compare) await vscode.commands.executeCommand('fovea.compareRuns', [fresh, trace]);
}
