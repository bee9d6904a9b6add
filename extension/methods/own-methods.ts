import * as vscode from 'vscode';
import type { MethodSummary } from '../../native/rpc.ts';
import type { PipelineClient } from '../pipeline/client.ts';
import { methodPaths } from './method-paths.ts';

/** Absolute paths of the modules that `fovea.methods` names; relative ones are taken from the workspace folder. */
function ownMethods(resource?: vscode.Uri): readonly string[] {
  const folder = (resource && vscode.workspace.getWorkspaceFolder(resource)) ?? vscode.workspace.workspaceFolders?.[0];
  return methodPaths(vscode.workspace.getConfiguration('fovea', resource).get<unknown>('methods'), folder?.uri.fsPath);
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

/** Those that can run as they are now. */
export const soundMethods = (methods: readonly MethodSummary[]): readonly MethodSummary[] =>
  methods.filter(({ own }) => own?.problem === undefined);
