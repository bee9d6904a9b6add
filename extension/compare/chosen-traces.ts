import * as vscode from 'vscode';

interface NodeOfRun {
  readonly kind: 'run';
  readonly run: { readonly path: string };
}

/**
 * The traces that a command was called on, each once: addresses from other code, the address of an editor from its title,
 * runs from a view, where the clicked one comes first among the selected ones.
 */
export function chosenTraces(first: unknown, second: unknown): vscode.Uri[] {
  const selected = Array.isArray(second) ? (second as unknown[]) : [];
  const listed = Array.isArray(first) ? (first as unknown[]) : [first, ...selected];
  const traces = listed.flatMap(value => traceOf(value) ?? []);
  return [...new Map(traces.map(uri => [uri.toString(), uri])).values()];
}

function traceOf(value: unknown): vscode.Uri | undefined {
  if (value instanceof vscode.Uri) return value;
  return isNodeOfRun(value) ? vscode.Uri.file(value.run.path) : undefined;
}

function isNodeOfRun(value: unknown): value is NodeOfRun {
  if (typeof value !== 'object' || value === null || !('kind' in value) || value.kind !== 'run') return false;
  const run = 'run' in value ? value.run : undefined;
  return typeof run === 'object' && run !== null && 'path' in run && typeof run.path === 'string';
}
