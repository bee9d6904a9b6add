import path from 'node:path';
import * as vscode from 'vscode';
import type { TrafficSummary } from '../traffic-summary.ts';
import { totalBytes } from './run-groups.ts';
import { oneLine, sizeText, timeText } from './run-text.ts';

/** All traces of traffic between ranks, above the images. */
export interface TrafficGroupNode {
  readonly kind: 'trafficGroup';
  /** Newest first. */
  readonly traffic: readonly TrafficSummary[];
}

export interface TrafficNode {
  readonly kind: 'traffic';
  readonly traffic: TrafficSummary;
}

const { language } = vscode.env;

export function trafficGroupItem({ traffic }: TrafficGroupNode): vscode.TreeItem {
  const item = new vscode.TreeItem(vscode.l10n.t('Traffic between Ranks'), vscode.TreeItemCollapsibleState.Expanded);
  item.id = 'traffic';
  item.description = `${traffic.length} · ${sizeText(totalBytes(traffic), language)}`;
  item.iconPath = new vscode.ThemeIcon('arrow-swap');
  item.contextValue = 'trafficGroup';
  return item;
}

export function trafficItem(node: TrafficNode, command: vscode.Command): vscode.TreeItem {
  const { traffic } = node;
  const label = oneLine(traffic.question ?? '') || oneLine(traffic.workload);
  const item = new vscode.TreeItem(label, vscode.TreeItemCollapsibleState.None);
  const state = stateText(traffic);
  item.id = `traffic:${traffic.path}`;
  item.description = [
    ...(label === oneLine(traffic.workload) ? [] : [oneLine(traffic.workload)]),
    vscode.l10n.t('{0} ranks', traffic.ranks),
    ...(state === undefined ? [] : [state]),
    timeText(traffic.created, new Date(), language),
  ].join(' · ');
  item.iconPath = new vscode.ThemeIcon(
    traffic.failed ? 'error' : traffic.state === 'partial' ? 'circle-slash' : 'server-process',
  );
  item.contextValue = 'traffic';
  item.command = command;
  item.tooltip = tooltip(traffic);
  item.accessibilityInformation = {
    label: vscode.l10n.t(
      'Traffic: {0}, {1} ranks, {2}, {3}',
      label,
      traffic.ranks,
      traffic.algorithms.join(', '),
      sizeText(traffic.bytes, language),
    ),
  };
  return item;
}

function stateText({ failed, state }: TrafficSummary): string | undefined {
  if (failed) return vscode.l10n.t('a check failed');
  return state === 'partial' ? vscode.l10n.t('not finished') : undefined;
}

function tooltip(traffic: TrafficSummary): string {
  const passes = traffic.passes.map(pass =>
    pass === 'forward' ? vscode.l10n.t('forward') : vscode.l10n.t('backward'),
  );
  return [
    ...(traffic.question === undefined ? [] : [oneLine(traffic.question, 1000)]),
    oneLine(traffic.workload, 1000),
    `${traffic.algorithms.join(', ')} (${passes.join(', ')})`,
    [traffic.backend, oneLine(traffic.hardware, 200)].filter(text => text !== '').join(', '),
    ...(traffic.simulatedLinks ? [vscode.l10n.t('Links were emulated.')] : []),
    vscode.l10n.t('{0} on disk, {1}', sizeText(traffic.bytes, language), path.basename(traffic.path)),
  ].join('\n');
}
