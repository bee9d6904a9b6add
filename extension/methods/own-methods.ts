import * as vscode from 'vscode';
import { showWarningMessage } from '../notifications.ts';
import type { MethodSummary } from '../../native/rpc.ts';
import type { PipelineClient } from '../pipeline/client.ts';
import { methodPaths, workspaceMethodPaths } from './method-paths.ts';
import { mayRun, moduleOf } from './named-module.ts';

/**
 * Absolute paths of the modules that `fovea.methods` names for a resource; for one outside of the workspace's folders, such
 * as a trace in VS Code's storage, those of all folders.
 */
function ownMethods(resource?: vscode.Uri): readonly string[] {
  const namedIn = (scope?: vscode.Uri): unknown => {
    const values = vscode.workspace.getConfiguration('fovea', scope);
    return values.get<unknown>('methods');
  };
  const folder = resource && vscode.workspace.getWorkspaceFolder(resource);
  if (folder) return methodPaths(namedIn(resource), folder.uri.fsPath);
  const folders = vscode.workspace.workspaceFolders ?? [];
  if (folders.length === 0) return methodPaths(namedIn(resource), undefined);
  return workspaceMethodPaths(
    folders.map(({ uri }) => ({
      path: uri.fsPath,
      value: namedIn(uri),
      ownValue: vscode.workspace.getConfiguration('fovea', uri).inspect('methods')?.workspaceFolderValue,
    })),
  );
}

/**
 * What can run on a resource: Fovea's methods, then the user's own, described without running them on an image.
 * @throws PipelineFailure
 */
export async function knownMethods(
  { pipeline, log }: { readonly pipeline: PipelineClient; readonly log: vscode.LogOutputChannel },
  resource?: vscode.Uri,
): Promise<readonly MethodSummary[]> {
  const methods = await pipeline.methods(vscode.workspace.isTrusted ? ownMethods(resource) : []);
  for (const { own } of methods) if (own?.problem !== undefined) log.warn(own.problem);
  return methods;
}

/** Whether a method that a trace names may run: as `mayRun`, by the settings of the trace and of the module. */
export function namedByUser(method: string, resource: vscode.Uri): boolean {
  const module = moduleOf(method);
  return mayRun(method, [
    ...ownMethods(resource),
    ...(module === undefined ? [] : ownMethods(vscode.Uri.file(module))),
  ]);
}

/** As `namedByUser`, and says what to do where it may not. */
export function allowedToRun(method: string, resource: vscode.Uri): boolean {
  if (namedByUser(method, resource)) return true;
  const open = vscode.l10n.t('Open Settings');
  const message = vscode.l10n.t(
    'The method {0} is named by this file only, so it does not run. If you trust it, add it to fovea.methods.',
    moduleOf(method) ?? method,
  );
  void showWarningMessage(message, open).then(answer =>
    answer === open ? vscode.commands.executeCommand('workbench.action.openSettings', 'fovea.methods') : undefined,
  );
  return false;
}

/** Those that can run as they are now. */
export const soundMethods = (methods: readonly MethodSummary[]): readonly MethodSummary[] =>
  methods.filter(({ own }) => own?.problem === undefined);
