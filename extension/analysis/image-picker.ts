import path from 'node:path';
import * as vscode from 'vscode';
import { imageExtensions, imageGlob, isImageFile } from '../image-files.ts';
import { plainLabel } from '../plain-words.ts';

/** More would only be scrolled past; *Browse* reaches the rest. */
const mostImages = 2000;

interface ImageItem extends vscode.QuickPickItem {
  readonly image?: vscode.Uri;
}

/** Lets the user choose an image of the workspace, a sample, or any file. */
export async function pickImage(extensionUri: vscode.Uri): Promise<vscode.Uri | undefined> {
  const chosen = await vscode.window.showQuickPick(imageItems(extensionUri), {
    title: vscode.l10n.t('Analyze Image'),
    placeHolder: vscode.l10n.t('Choose the image that the model is to look at'),
    matchOnDescription: true,
  });
  if (!chosen) return undefined;
  return chosen.image ?? browse();
}

/** The image that is open in the active editor. */
function activeImage(): vscode.Uri | undefined {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  const hasUri = input instanceof vscode.TabInputCustom || input instanceof vscode.TabInputText;
  return hasUri && isImageFile(input.uri.path) ? input.uri : undefined;
}

async function imageItems(extensionUri: vscode.Uri): Promise<ImageItem[]> {
  const active = activeImage();
  const found = await vscode.workspace.findFiles(imageGlob, '**/node_modules/**', mostImages);
  const images = found
    .filter(({ fsPath }) => fsPath !== active?.fsPath)
    .sort((a, b) => a.fsPath.localeCompare(b.fsPath, undefined, { numeric: true }));
  const samples = active || images.length > 0 ? [] : await sampleImages(extensionUri);
  return [
    ...(active ? [item(active, vscode.l10n.t('open in the editor'))] : []),
    ...images.map(image => item(image, folderOf(image))),
    ...(samples.length > 0 ? [separator(vscode.l10n.t('samples that come with Fovea'))] : []),
    ...samples.map(sample => item(sample)),
    separator(''),
    { label: vscode.l10n.t('$(folder-opened) Browse…'), alwaysShow: true },
  ];
}

async function sampleImages(extensionUri: vscode.Uri): Promise<vscode.Uri[]> {
  const folder = vscode.Uri.joinPath(extensionUri, 'media', 'samples');
  const entries = await vscode.workspace.fs.readDirectory(folder);
  return entries
    .filter(([name]) => isImageFile(name))
    .map(([name]) => vscode.Uri.joinPath(folder, name))
    .sort((a, b) => a.path.localeCompare(b.path));
}

async function browse(): Promise<vscode.Uri | undefined> {
  const chosen = await vscode.window.showOpenDialog({
    title: vscode.l10n.t('Analyze Image'),
    openLabel: vscode.l10n.t('Analyze'),
    filters: { [vscode.l10n.t('Images')]: [...imageExtensions] },
  });
  return chosen?.[0];
}

function item(image: vscode.Uri, description?: string): ImageItem {
  const label = `$(file-media) ${plainLabel(path.posix.basename(image.path))}`;
  return { label, image, ...(description === undefined || description === '' ? {} : { description }) };
}

function folderOf(image: vscode.Uri): string {
  const folder = path.posix.dirname(vscode.workspace.asRelativePath(image));
  return folder === '.' ? '' : folder;
}

function separator(label: string): vscode.QuickPickItem {
  return { label, kind: vscode.QuickPickItemKind.Separator };
}
