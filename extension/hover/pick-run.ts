import * as vscode from 'vscode';
import type { RunSummary } from '../runs/run-index.ts';
import { plainLabel } from '../plain-words.ts';

/** Lets the user choose among the runs on one image; the only one is chosen already. */
export async function pickRun(runs: readonly RunSummary[]): Promise<vscode.Uri | undefined> {
  const items = runs.map(({ path, metadata: { question, answer, model, method, created } }) => ({
    label: plainLabel(question),
    description: plainLabel([model.name, ...(method.name === 'none' ? [] : [method.name])].join(', ')),
    detail: plainLabel(`${new Date(created).toLocaleString(vscode.env.language)}: ${answer}`),
    trace: vscode.Uri.file(path),
  }));
  if (items.length <= 1) return items[0]?.trace;
  const chosen = await vscode.window.showQuickPick(items, {
    title: vscode.l10n.t('Runs on This Image'),
    placeHolder: vscode.l10n.t('Choose a run'),
    matchOnDescription: true,
    matchOnDetail: true,
  });
  return chosen?.trace;
}
