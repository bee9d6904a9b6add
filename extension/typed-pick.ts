import * as vscode from 'vscode';

export interface TypedPickOptions<Item extends vscode.QuickPickItem> {
  readonly title: string;
  readonly placeholder: string;
  readonly items: readonly (Item | vscode.QuickPickItem)[];
  /** The item offered first for what is typed; undefined when that is not acceptable yet. */
  readonly itemFor: (typed: string) => Item | undefined;
  /** Gets what was typed when the user leaves without choosing. */
  readonly onAbandoned?: (typed: string) => void;
}

/** A QuickPick that also takes free text. Resolves with undefined on Escape. */
export function pickOrType<Item extends vscode.QuickPickItem>(
  options: TypedPickOptions<Item>,
): Promise<Item | undefined> {
  const picker = vscode.window.createQuickPick<Item | vscode.QuickPickItem>();
  picker.title = options.title;
  picker.placeholder = options.placeholder;
  picker.ignoreFocusOut = true;
  picker.items = options.items;
  return new Promise(resolve => {
    let chosen: Item | undefined;
    let typed: Item | undefined;
    /** Whether the user has seen what was typed as the first item of the list. */
    let drawn = true;
    picker.onDidChangeValue(value => {
      const item = options.itemFor(value.trim());
      typed = item && { ...item, alwaysShow: true };
      drawn = typed === undefined;
      picker.items = typed ? [typed, ...options.items] : options.items;
    });
    picker.onDidChangeActive(([active]) => {
      if (active !== undefined && active === typed) drawn = true;
    });
    picker.onDidAccept(() => {
      const active = picker.activeItems[0];
      const listed = active !== undefined && options.items.includes(active) ? (active as Item) : undefined;
      // Enter may come faster than the list is drawn; what is highlighted then is no choice.
      chosen = (drawn ? listed : undefined) ?? typed;
      if (chosen) picker.hide();
    });
    picker.onDidHide(() => {
      if (!chosen) options.onAbandoned?.(picker.value.trim());
      picker.dispose();
      resolve(chosen);
    });
    picker.show();
  });
}
