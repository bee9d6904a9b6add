/** "New Token Method…": a working template in the workspace, named in `fovea.methods`. */
import path from 'node:path';
import * as vscode from 'vscode';
import { showInformationMessage } from '../notifications.ts';
import { methodFile, methodName } from './method-name.ts';

const methodsFolder = 'methods';
const typesFile = 'fovea-method.d.ts';

/** @returns the new module; undefined when the user left */
export async function newTokenMethod(extensionUri: vscode.Uri): Promise<vscode.Uri | undefined> {
  const folder = await workspaceFolder();
  if (!folder) return undefined;
  const methods = vscode.Uri.joinPath(folder.uri, methodsFolder);
  const title = await vscode.window.showInputBox({
    title: vscode.l10n.t('New Token Method'),
    prompt: vscode.l10n.t('What is it called? It becomes a file in {0}.', `${methodsFolder}/`),
    value: vscode.l10n.t('My method'),
    ignoreFocusOut: true,
    validateInput: async text => {
      if (methodName(text) === '') return vscode.l10n.t('Type a name with letters or digits.');
      const taken = await exists(vscode.Uri.joinPath(methods, methodFile(text)));
      return taken ? vscode.l10n.t('{0} is there already. Choose another name.', methodFile(text)) : undefined;
    },
  });
  if (title === undefined) return undefined;
  const file = vscode.Uri.joinPath(methods, methodFile(title));
  const shipped = vscode.Uri.joinPath(extensionUri, 'media', 'own-methods');
  const template = new TextDecoder().decode(
    await vscode.workspace.fs.readFile(vscode.Uri.joinPath(shipped, 'template.mjs')),
  );
  const text = template
    .replace("'METHOD_NAME'", JSON.stringify(methodName(title)))
    .replace("'METHOD_TITLE'", JSON.stringify(title.trim()));
  await vscode.workspace.fs.createDirectory(methods);
  // The types follow the extension, so an older copy is replaced.
  await vscode.workspace.fs.copy(vscode.Uri.joinPath(shipped, typesFile), vscode.Uri.joinPath(methods, typesFile), {
    overwrite: true,
  });
  await vscode.workspace.fs.writeFile(file, new TextEncoder().encode(text));
  await nameInSettings(folder, path.posix.join(methodsFolder, methodFile(title)));
  await vscode.window.showTextDocument(file, { preview: false });
  return file;
}

async function workspaceFolder(): Promise<vscode.WorkspaceFolder | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  if (folders.length > 1) return vscode.window.showWorkspaceFolderPick();
  const [folder] = folders;
  if (folder) return folder;
  const open = vscode.l10n.t('Open Folder…');
  const message = vscode.l10n.t('A token method is a file in your workspace. Open a folder first.');
  if ((await showInformationMessage(message, open)) === open)
    await vscode.commands.executeCommand('workbench.action.files.openFolder');
  return undefined;
}

async function nameInSettings(folder: vscode.WorkspaceFolder, file: string): Promise<void> {
  const settings = vscode.workspace.getConfiguration('fovea', folder.uri);
  const named = settings.get<unknown>('methods');
  const list: readonly unknown[] = Array.isArray(named) ? named : [];
  const several = (vscode.workspace.workspaceFolders?.length ?? 0) > 1;
  const target = several ? vscode.ConfigurationTarget.WorkspaceFolder : vscode.ConfigurationTarget.Workspace;
  if (!list.includes(file)) await settings.update('methods', [...list, file], target);
}

async function exists(uri: vscode.Uri): Promise<boolean> {
  try {
    await vscode.workspace.fs.stat(uri);
    return true;
  } catch {
    return false;
  }
}
