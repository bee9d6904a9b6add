import path from 'node:path';
import * as vscode from 'vscode';
import type { TraceKind } from '../../trace/kind.ts';
import { traceExtension } from '../../trace/schema.ts';
import { rankCount, runLabel } from '../../trace/traffic/metadata.ts';
import { plainLabel } from '../plain-words.ts';
import { openTrace, openTraffic, traceKindOf } from './trace-document.ts';

const mostTraces = 50;

interface TraceItem extends vscode.QuickPickItem {
  readonly trace?: vscode.Uri;
}

/**
 * Lets the user choose among the newest runs, the traces in the workspace, and any file.
 * @param places absolute paths of the folders that runs are in
 */
export async function pickTrace(places: readonly string[]): Promise<vscode.Uri | undefined> {
  const chosen = await vscode.window.showQuickPick(traceItems(places), {
    title: vscode.l10n.t('Open Trace'),
    placeHolder: vscode.l10n.t('Choose a run'),
    matchOnDescription: true,
    matchOnDetail: true,
  });
  if (!chosen) return undefined;
  if (chosen.trace) return chosen.trace;
  const picked = await vscode.window.showOpenDialog({
    title: vscode.l10n.t('Open Trace'),
    filters: { [vscode.l10n.t('Fovea Traces')]: [traceExtension.slice(1)] },
  });
  return picked?.[0];
}

async function traceItems(places: readonly string[]): Promise<TraceItem[]> {
  const found = await Promise.all([
    ...places.map(place => tracesIn(vscode.Uri.file(place))),
    vscode.workspace.findFiles(`**/*${traceExtension}`, '**/node_modules/**', mostTraces),
  ]);
  const unique = new Map(found.flat().map(uri => [uri.toString(), uri]));
  const dated = await Promise.all([...unique.values()].map(async uri => ({ uri, modified: await modified(uri) })));
  const newest = dated.sort((a, b) => b.modified - a.modified).slice(0, mostTraces);
  return [
    ...(await Promise.all(newest.map(async ({ uri, modified }) => describe(uri, modified)))),
    { label: '', kind: vscode.QuickPickItemKind.Separator },
    { label: vscode.l10n.t('$(folder-opened) Browse…'), alwaysShow: true },
  ];
}

async function tracesIn(folder: vscode.Uri): Promise<vscode.Uri[]> {
  try {
    const entries = await vscode.workspace.fs.readDirectory(folder);
    return entries.filter(([name]) => name.endsWith(traceExtension)).map(([name]) => vscode.Uri.joinPath(folder, name));
  } catch {
    // No run yet, so no folder.
    return [];
  }
}

async function modified(uri: vscode.Uri): Promise<number> {
  try {
    return (await vscode.workspace.fs.stat(uri)).mtime;
  } catch {
    return 0;
  }
}

async function describe(trace: vscode.Uri, modified: number): Promise<TraceItem> {
  const label = plainLabel(path.posix.basename(trace.path, traceExtension));
  const description = new Date(modified).toLocaleString(vscode.env.language);
  // Elsewhere the whole file would be fetched for one line.
  if (trace.scheme !== 'file') return { label, description, trace };
  try {
    const detail = plainLabel(await lines[await traceKindOf(trace)](trace));
    return { label, description, detail, trace };
  } catch {
    return { label, description, detail: vscode.l10n.t('cannot be read'), trace };
  }
}

const lines: Readonly<Record<TraceKind, (trace: vscode.Uri) => Promise<string>>> = {
  run: runLine,
  evaluation: evaluationLine,
  traffic: trafficLine,
};

async function runLine(trace: vscode.Uri): Promise<string> {
  const reader = await openTrace(trace);
  const { prompt, answer } = reader.metadata;
  await reader.close();
  return `${prompt.question} → ${answer}`;
}

async function evaluationLine(trace: vscode.Uri): Promise<string> {
  const { openEvaluationFile } = await import('../../trace/file.ts');
  const reader = await openEvaluationFile(trace.fsPath);
  const { set, questions, conditions } = reader.metadata;
  await reader.close();
  const methods = new Set(conditions.map(({ title }) => title)).size;
  return vscode.l10n.t('Evaluation: {0}, {1} questions, {2} methods', set.name, questions, methods);
}

async function trafficLine(trace: vscode.Uri): Promise<string> {
  const reader = await openTraffic(trace);
  const { workload, runs } = reader.metadata;
  await reader.close();
  const names = runs.map(runLabel).join(', ');
  return vscode.l10n.t('Traffic: {0} on {1} ranks, {2}', workload.name, rankCount(workload), names);
}
