/** Which method runs, at which budget. Escape at any step ends it. */
import * as vscode from 'vscode';
import type { MethodRequest, MethodSummary } from '../../native/rpc.ts';
import { offerRemedies } from '../analysis/failure-notice.ts';
import { background } from '../background.ts';
import type { PipelineClient } from '../pipeline/client.ts';
import { plainLabel } from '../plain-words.ts';
import { knownMethods } from './own-methods.ts';

interface MethodItem extends vscode.QuickPickItem {
  readonly request: MethodRequest;
  readonly budget?: MethodSummary['budget'];
}

/**
 * @param resource what the method is to run on: decides among several workspace folders
 * @returns undefined when the user left, or when the methods cannot be listed, which is told
 */
export async function pickMethod(
  services: { readonly pipeline: PipelineClient; readonly log: vscode.LogOutputChannel },
  resource: vscode.Uri | undefined,
): Promise<MethodRequest | undefined> {
  let methods: readonly MethodSummary[];
  try {
    methods = await knownMethods(services, resource);
  } catch (error) {
    services.log.error(error instanceof Error ? error : String(error));
    background(offerRemedies(error, services.log, {}), services.log);
    return undefined;
  }
  return choose(methods);
}

async function choose(methods: readonly MethodSummary[]): Promise<MethodRequest | undefined> {
  const own = methods.filter(method => method.own);
  const chosen = await vscode.window.showQuickPick<MethodItem | vscode.QuickPickItem>(
    [
      ...(own.length > 0 ? [separator(vscode.l10n.t('your own')), ...own.flatMap(itemsOf)] : []),
      separator(vscode.l10n.t('with Fovea')),
      ...methods.filter(method => !method.own).flatMap(itemsOf),
    ],
    {
      title: vscode.l10n.t('Analyze Image with a Method'),
      placeHolder: vscode.l10n.t('Which visual tokens to keep'),
      matchOnDescription: true,
      matchOnDetail: true,
      ignoreFocusOut: true,
    },
  );
  if (!chosen || !('request' in chosen)) return undefined;
  if (!chosen.budget) return chosen.request;
  const budget = await askBudget(chosen.budget);
  if (budget === undefined) return undefined;
  return budget.trim() === '' ? chosen.request : { ...chosen.request, budget: Number(budget) };
}

function itemsOf({ name, title, summary, variants, budget, own }: MethodSummary): MethodItem[] {
  if (own) {
    // Running a broken one says with its remedies what is wrong.
    const named = plainLabel(title);
    const [label, detail] =
      own.problem === undefined ? [named, plainLabel(summary)] : [`$(warning) ${named}`, plainLabel(own.problem)];
    const description = vscode.workspace.asRelativePath(name);
    return [{ label, description, detail, request: { name }, ...(budget && { budget }) }];
  }
  return variants.map((variant, index) => ({
    label: variants.length > 1 ? `${title}, ${variant}` : title,
    description: index === 0 ? summary : vscode.l10n.t('as the publication says, where it differs from the code'),
    request: { name, ...(variants.length > 1 && { variant }) },
    ...(budget && { budget }),
  }));
}

function askBudget(counted: 'entering' | 'leaving'): Thenable<string | undefined> {
  return vscode.window.showInputBox({
    title: vscode.l10n.t('Analyze Image with a Method: Budget'),
    prompt:
      counted === 'entering'
        ? vscode.l10n.t('Visual tokens entering a layer, mean over layers. Empty for the method’s own defaults.')
        : vscode.l10n.t('Visual tokens leaving a layer, mean over layers. Empty for the method’s own defaults.'),
    value: '128',
    ignoreFocusOut: true,
    validateInput: text =>
      /^([1-9]\d*)?$/.test(text.trim()) ? undefined : vscode.l10n.t('A whole number from 1, or nothing'),
  });
}

function separator(label: string): vscode.QuickPickItem {
  return { label, kind: vscode.QuickPickItemKind.Separator };
}
