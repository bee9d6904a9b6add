import * as vscode from 'vscode';
import { background } from '../background.ts';
import type { TraceEditors } from './trace-editors.ts';

/** Keys for `when` clauses in package.json: the file names of open traces, so that menus fit what a trace is of. */
const keys = { open: 'fovea.openRuns', traffic: 'fovea.openTraffic' } as const;

export function tellMenusKinds(editors: TraceEditors, log: vscode.LogOutputChannel): vscode.Disposable {
  const told = new Map<string, string>();
  const update = (): void => {
    for (const kind of ['open', 'traffic'] as const) {
      const names = editors.fileNames(kind);
      const text = names.join('\n');
      if (told.get(kind) === text) continue;
      told.set(kind, text);
      background(vscode.commands.executeCommand('setContext', keys[kind], names), log);
    }
  };
  update();
  return editors.onDidChangeActive(update);
}
