import path from 'node:path';
import * as vscode from 'vscode';

/** Absolute paths of the modules that `fovea.methods` names; relative ones are taken from the workspace folder. */
export function ownMethods(resource?: vscode.Uri): readonly string[] {
  const folder = (resource && vscode.workspace.getWorkspaceFolder(resource)) ?? vscode.workspace.workspaceFolders?.[0];
  return methodPaths(vscode.workspace.getConfiguration('fovea', resource).get<unknown>('methods'), folder?.uri.fsPath);
}

/** settings.json takes any value, whatever the schema in package.json says. */
export function methodPaths(value: unknown, folder: string | undefined): readonly string[] {
  const named: readonly unknown[] = Array.isArray(value) ? value : [];
  const paths = named
    .filter(each => typeof each === 'string')
    .filter(each => each.trim() !== '')
    .filter(each => path.isAbsolute(each) || folder !== undefined)
    .map(each => (path.isAbsolute(each) ? path.normalize(each) : path.join(folder ?? '', each)));
  return [...new Set(paths)];
}
