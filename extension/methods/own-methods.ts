import path from 'node:path';
import * as vscode from 'vscode';
import type { MethodSummary } from '../../native/rpc.ts';
import { methodPaths } from './method-paths.ts';

/** Absolute paths of the modules that `fovea.methods` names; relative ones are taken from the workspace folder. */
export function ownMethods(resource?: vscode.Uri): readonly string[] {
  const folder = (resource && vscode.workspace.getWorkspaceFolder(resource)) ?? vscode.workspace.workspaceFolders?.[0];
  return methodPaths(vscode.workspace.getConfiguration('fovea', resource).get<unknown>('methods'), folder?.uri.fsPath);
}

/** What is known of a module without running it: it is named by its path. */
export function ownMethodSummary(module: string): MethodSummary {
  const summary = vscode.workspace.asRelativePath(module);
  return {
    name: module,
    title: path.basename(module),
    summary,
    variants: ['code'],
    budget: 'entering',
    parameters: [],
  };
}
