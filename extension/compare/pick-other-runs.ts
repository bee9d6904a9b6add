import path from 'node:path';
import * as vscode from 'vscode';
import { traceExtension } from '../../trace/schema.ts';
import type { RunSummary } from '../runs/run-index.ts';
import { oneLine, timeText } from '../runs/view/run-text.ts';
import { plainLabel } from '../plain-words.ts';

export interface OtherRuns {
  /** Of the run that the others are compared with. */
  readonly name: string;
  readonly sameImage: readonly RunSummary[];
  readonly otherImages: readonly RunSummary[];
  /** Ticked from the start. */
  readonly compared: readonly vscode.Uri[];
}

interface RunItem extends vscode.QuickPickItem {
  readonly trace?: vscode.Uri;
}

/** Lets the user tick runs, those on the same image first. @returns undefined on Escape, or when nothing was ticked */
export function pickOtherRuns(offered: OtherRuns): Promise<readonly vscode.Uri[] | undefined> {
  const picker = vscode.window.createQuickPick<RunItem>();
  const browse: vscode.QuickInputButton = {
    iconPath: new vscode.ThemeIcon('folder-opened'),
    tooltip: vscode.l10n.t('Browse…'),
  };
  picker.title = vscode.l10n.t('Compare {0} With', offered.name);
  picker.canSelectMany = true;
  picker.matchOnDescription = true;
  picker.matchOnDetail = true;
  picker.buttons = [browse];
  picker.items = itemsOf(offered);
  const none = offered.sameImage.length + offered.otherImages.length === 0;
  picker.placeholder = none
    ? vscode.l10n.t('There is no other run yet. Ask about the image again, or browse for a trace.')
    : vscode.l10n.t('Tick one run or more');
  const compared = new Set(offered.compared.map(String));
  picker.selectedItems = picker.items.filter(({ trace }) => trace && compared.has(trace.toString()));
  return new Promise(resolve => {
    let result: readonly vscode.Uri[] | undefined;
    picker.onDidAccept(() => {
      const ticked = picker.selectedItems.flatMap(({ trace }) => trace ?? []);
      // Enter on a line without ticking it means that line.
      const active = picker.activeItems[0]?.trace;
      result = ticked.length > 0 ? ticked : active ? [active] : undefined;
      picker.hide();
    });
    picker.onDidTriggerButton(() => {
      picker.ignoreFocusOut = true;
      void browseTraces().then(found => {
        if (found) result = [...picker.selectedItems.flatMap(({ trace }) => trace ?? []), ...found];
        picker.hide();
      });
    });
    picker.onDidHide(() => {
      picker.dispose();
      resolve(result);
    });
    picker.show();
  });
}

async function browseTraces(): Promise<readonly vscode.Uri[] | undefined> {
  return vscode.window.showOpenDialog({
    title: vscode.l10n.t('Compare With'),
    canSelectMany: true,
    filters: { [vscode.l10n.t('Fovea Traces')]: [traceExtension.slice(1)] },
  });
}

function itemsOf({ sameImage, otherImages, compared }: OtherRuns): RunItem[] {
  const listed = new Set([...sameImage, ...otherImages].map(({ path: file }) => vscode.Uri.file(file).toString()));
  // From folders that are not listed, e.g. found by browsing.
  const elsewhere = compared.filter(uri => !listed.has(uri.toString()));
  return [
    ...group(vscode.l10n.t('on the same image'), sameImage.map(itemOf)),
    ...group(
      vscode.l10n.t('compared now'),
      elsewhere.map(trace => ({ label: plainLabel(path.posix.basename(trace.path)), trace })),
    ),
    ...group(vscode.l10n.t('on other images'), otherImages.map(itemOf)),
  ];
}

const group = (label: string, items: readonly RunItem[]): RunItem[] =>
  items.length === 0 ? [] : [{ label, kind: vscode.QuickPickItemKind.Separator }, ...items];

function itemOf({ path: file, metadata }: RunSummary): RunItem {
  const { question, answer, model, method, created, image } = metadata;
  const { language } = vscode.env;
  const methodName =
    method.name === 'none' ? [] : [[method.title ?? method.name, method.variant ?? ''].join(' ').trim()];
  const facts = [...methodName, model.name, image.name, timeText(created, new Date(), language)];
  return {
    label: plainLabel(oneLine(question) || vscode.l10n.t('(no question)')),
    description: plainLabel(facts.filter(fact => fact !== '').join(' · ')),
    detail: plainLabel(oneLine(answer)),
    trace: vscode.Uri.file(file),
  };
}
