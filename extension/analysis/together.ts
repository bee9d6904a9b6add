import * as vscode from 'vscode';

interface TogetherItem extends vscode.QuickPickItem {
  readonly together: boolean;
}

/** Whether several images are the frames of one run; undefined when nobody answers. */
export async function asksTogether(count: number): Promise<boolean | undefined> {
  const items: readonly TogetherItem[] = [
    {
      label: vscode.l10n.t('$(layers) One Run'),
      description: vscode.l10n.t('the {0} images are frames, in the order of their names', count),
      together: true,
    },
    {
      label: vscode.l10n.t('$(list-unordered) {0} Runs', count),
      description: vscode.l10n.t('each image is read in high resolution'),
      together: false,
    },
  ];
  const placeHolder = vscode.l10n.t('How are these images read?');
  return (await vscode.window.showQuickPick(items, { placeHolder, ignoreFocusOut: true }))?.together;
}

/** "frame-9" before "frame-10". */
export function inOrderOfNames(images: readonly vscode.Uri[]): vscode.Uri[] {
  return [...images].sort((a, b) => a.path.localeCompare(b.path, undefined, { numeric: true }));
}
