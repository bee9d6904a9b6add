import * as vscode from 'vscode';
import type { ListedEvaluation } from '../../evaluation/evaluation-list.ts';
import { oneLine, timeText } from './run-text.ts';

/** All evaluations, above the images. */
export interface EvaluationsNode {
  readonly kind: 'evaluations';
  readonly evaluations: readonly ListedEvaluation[];
}

export interface EvaluationNode {
  readonly kind: 'evaluation';
  readonly evaluation: ListedEvaluation;
}

export function evaluationsItem({ evaluations }: EvaluationsNode): vscode.TreeItem {
  const item = new vscode.TreeItem(vscode.l10n.t('Evaluations'), vscode.TreeItemCollapsibleState.Expanded);
  item.id = 'evaluations';
  item.description = String(evaluations.length);
  item.iconPath = new vscode.ThemeIcon('graph');
  item.contextValue = 'evaluations';
  return item;
}

export function evaluationItem({ evaluation }: EvaluationNode, command: vscode.Command): vscode.TreeItem {
  const { path, set, model, questions, methods, state, written } = evaluation;
  const item = new vscode.TreeItem(oneLine(set), vscode.TreeItemCollapsibleState.None);
  const time = timeText(written, new Date(), vscode.env.language);
  item.id = `evaluation:${path}`;
  item.description = [
    vscode.l10n.t('{0} questions, {1} methods', questions, methods.length),
    ...(state === 'partial' ? [vscode.l10n.t('not finished')] : []),
    time,
  ].join(' · ');
  item.iconPath = new vscode.ThemeIcon(state === 'partial' ? 'circle-slash' : 'graph-scatter');
  item.contextValue = 'evaluation';
  item.tooltip = [path, vscode.l10n.t('Model: {0}', model), methods.join(', ')].join('\n');
  item.command = command;
  return item;
}
