import path from 'node:path';
import * as vscode from 'vscode';
import { showErrorMessage } from '../notifications.ts';
import { Settings } from '../settings/settings.ts';
import { pickOrType } from '../typed-pick.ts';

const recentKey = 'recentModels';
const mostRecent = 5;

interface ModelItem extends vscode.QuickPickItem {
  /** `undefined` opens the folder dialog, the empty string is the bundled model. */
  readonly folder: string | undefined;
}

/** Lets the user choose a checkpoint folder and writes the setting. */
export async function chooseModel(storage: vscode.Memento, bundledModel: vscode.Uri): Promise<void> {
  const current = new Settings().modelFolder;
  const chosen = await pickOrType<ModelItem>({
    title: vscode.l10n.t('Choose Model'),
    placeholder: vscode.l10n.t('Choose a model, or type the path of its folder'),
    items: modelItems(current, recentModels(storage)),
    itemFor: typed =>
      path.isAbsolute(typed) || typed.startsWith('~')
        ? { label: vscode.l10n.t('$(folder) Use {0}', typed), folder: typed }
        : undefined,
  });
  if (!chosen) return;
  const folder = chosen.folder ?? (await browse());
  if (folder === undefined) return;
  if (folder !== '' && !(await isCheckpoint(folder))) {
    await offerAnother(folder, storage, bundledModel);
    return;
  }
  const settings = new Settings();
  await settings.setModelFolder(folder === bundledModel.fsPath ? '' : folder);
  const recent = [folder, ...recentModels(storage)].filter(
    (entry, index, all) => entry && all.indexOf(entry) === index,
  );
  await storage.update(recentKey, recent.slice(0, mostRecent));
  const name = folder === '' ? vscode.l10n.t('the bundled model') : path.basename(folder);
  vscode.window.setStatusBarMessage(vscode.l10n.t('Fovea uses {0} from the next analysis on', name), 5_000);
}

function modelItems(current: string | undefined, recent: readonly string[]): (ModelItem | vscode.QuickPickItem)[] {
  const inUse = vscode.l10n.t('in use');
  const folders = [...new Set([...(current === undefined ? [] : [current]), ...recent])];
  return [
    {
      label: vscode.l10n.t('$(package) Use the bundled model'),
      description: current === undefined ? inUse : '',
      detail: vscode.l10n.t('Small, and knows rendered scenes like the sample images only.'),
      folder: '',
    },
    ...folders.map(folder => ({
      label: `$(folder) ${path.basename(folder)}`,
      description: folder === current ? inUse : '',
      detail: folder,
      folder,
    })),
    {
      label: vscode.l10n.t('$(folder-opened) Browse…'),
      detail: vscode.l10n.t('A LLaVA checkpoint: config.json, safetensors files and tokenizer.json in one folder.'),
      alwaysShow: true,
      folder: undefined,
    },
  ];
}

async function browse(): Promise<string | undefined> {
  const chosen = await vscode.window.showOpenDialog({
    title: vscode.l10n.t('Choose Model'),
    openLabel: vscode.l10n.t('Use This Model'),
    canSelectFiles: false,
    canSelectFolders: true,
  });
  return chosen?.[0]?.fsPath;
}

async function isCheckpoint(folder: string): Promise<boolean> {
  const absolute = new Settings().absoluteFolder(folder);
  if (absolute === undefined) return false;
  try {
    await vscode.workspace.fs.stat(vscode.Uri.file(path.join(absolute, 'config.json')));
    return true;
  } catch {
    return false;
  }
}

async function offerAnother(folder: string, storage: vscode.Memento, bundledModel: vscode.Uri): Promise<void> {
  const another = vscode.l10n.t('Choose Another Folder');
  const message = vscode.l10n.t(
    'There is no config.json in {0}. Choose the folder of a Hugging Face checkpoint: the one that holds config.json and the safetensors files.',
    folder,
  );
  if ((await showErrorMessage(message, another)) === another) await chooseModel(storage, bundledModel);
}

function recentModels(storage: vscode.Memento): string[] {
  const stored: unknown = storage.get(recentKey);
  return Array.isArray(stored) ? stored.filter((entry): entry is string => typeof entry === 'string') : [];
}
