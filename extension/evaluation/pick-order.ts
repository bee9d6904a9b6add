/** Asks which set, methods, budgets and how many questions. Escape at any step ends it. */
import path from 'node:path';
import * as vscode from 'vscode';
import type { MethodSummary } from '../../native/rpc.ts';
import { plainLabel } from '../plain-words.ts';
import { parseBudgets, parseLimit } from './evaluation-answers.ts';

const mostSets = 200;
/** Packages, and what evaluations found. */
const notSets = '{**/node_modules/**,**/evaluation-*/results*.jsonl}';
const orderKey = 'evaluation';

interface SetItem extends vscode.QuickPickItem {
  readonly set?: vscode.Uri;
}

interface MethodItem extends vscode.QuickPickItem {
  /** "name", "name:variant" or a module's path */
  readonly method: string;
}

export interface EvaluationOrder {
  readonly methods: readonly string[];
  readonly budgets: readonly number[];
  readonly limit?: number;
}

/** What was asked for the last time, offered again. */
interface LastOrder {
  readonly methods?: readonly string[];
  readonly budgets?: string;
  readonly limit?: string;
}

const firstOrder = { methods: ['mustdrop', 'fastv'], budgets: '192, 128, 64', limit: '100' };

/** Lets the user choose among the bundled set, those of the workspace, and any file. */
export async function pickQuestionSet(extensionUri: vscode.Uri): Promise<vscode.Uri | undefined> {
  const bundled = vscode.Uri.joinPath(extensionUri, 'media', 'questions', 'questions.jsonl');
  const found = await vscode.workspace.findFiles('**/*.jsonl', notSets, mostSets);
  const items: SetItem[] = [
    {
      label: vscode.l10n.t('$(beaker) Questions for the bundled model'),
      description: vscode.l10n.t('600 questions on 140 rendered scenes, come with Fovea'),
      set: bundled,
    },
    ...found
      .filter(({ fsPath }) => fsPath !== bundled.fsPath)
      .map(set => ({
        label: `$(file) ${plainLabel(path.posix.basename(set.path))}`,
        description: path.posix.dirname(vscode.workspace.asRelativePath(set)),
        set,
      })),
    { label: '', kind: vscode.QuickPickItemKind.Separator },
    { label: vscode.l10n.t('$(folder-opened) Browse…'), alwaysShow: true },
  ];
  const chosen = await vscode.window.showQuickPick(items, {
    title: vscode.l10n.t('Evaluate Methods: Question Set'),
    placeHolder: vscode.l10n.t('One JSON object a line, with image, question and answer'),
    matchOnDescription: true,
    ignoreFocusOut: true,
  });
  if (!chosen) return undefined;
  if (chosen.set) return chosen.set;
  const picked = await vscode.window.showOpenDialog({
    title: vscode.l10n.t('Evaluate Methods: Question Set'),
    filters: { [vscode.l10n.t('JSON Lines')]: ['jsonl', 'ndjson', 'json'] },
  });
  return picked?.[0];
}

export async function pickOrder(
  methods: readonly MethodSummary[],
  storage: vscode.Memento,
): Promise<EvaluationOrder | undefined> {
  const last = lastOrder(storage.get(orderKey));
  const chosen = await pickMethods(methods, last.methods);
  if (!chosen) return undefined;
  const withBudget = methods.some(
    ({ name, budget }) => budget && chosen.some(each => each === name || each.startsWith(`${name}:`)),
  );
  const budgets = withBudget ? await askBudgets(last.budgets) : '';
  if (budgets === undefined) return undefined;
  const limit = await askLimit(last.limit);
  if (limit === undefined) return undefined;
  const order: LastOrder = { methods: chosen, budgets: budgets === '' ? last.budgets : budgets, limit };
  await storage.update(orderKey, order);
  const number = parseLimit(limit);
  return {
    methods: chosen,
    budgets: parseBudgets(budgets) ?? [],
    ...(typeof number === 'number' && { limit: number }),
  };
}

async function pickMethods(
  methods: readonly MethodSummary[],
  picked: readonly string[],
): Promise<readonly string[] | undefined> {
  const items: MethodItem[] = methods
    .filter(({ name }) => name !== 'none')
    .flatMap(({ name, title, summary, variants, own: isOwn }) => {
      const place = isOwn && { detail: vscode.workspace.asRelativePath(name) };
      const own = { label: plainLabel(title), description: plainLabel(summary), ...place, method: name };
      const others = variants.slice(1).map(variant => ({
        label: `${title} (${variant})`,
        description: vscode.l10n.t('as the publication says, where it differs from the code'),
        method: `${name}:${variant}`,
      }));
      return [own, ...others];
    })
    .map(item => ({ ...item, picked: picked.includes(item.method) }));
  const chosen = await vscode.window.showQuickPick(items, {
    title: vscode.l10n.t('Evaluate Methods: Methods'),
    placeHolder: vscode.l10n.t('No pruning runs beside them, for comparison'),
    canPickMany: true,
    matchOnDescription: true,
    ignoreFocusOut: true,
  });
  return chosen && chosen.length > 0 ? chosen.map(({ method }) => method) : undefined;
}

function askBudgets(value: string): Thenable<string | undefined> {
  return vscode.window.showInputBox({
    title: vscode.l10n.t('Evaluate Methods: Budgets'),
    prompt: vscode.l10n.t('Visual tokens, separated by commas. All tokens are no pruning, which runs anyway.'),
    value,
    ignoreFocusOut: true,
    validateInput: text => (parseBudgets(text) ? undefined : vscode.l10n.t('Whole numbers from 1, e.g. 192, 128, 64')),
  });
}

function askLimit(value: string): Thenable<string | undefined> {
  return vscode.window.showInputBox({
    title: vscode.l10n.t('Evaluate Methods: Number of Questions'),
    prompt: vscode.l10n.t('The first so many questions; empty for all. More can be added later.'),
    value,
    ignoreFocusOut: true,
    validateInput: text =>
      parseLimit(text) === undefined ? vscode.l10n.t('A whole number from 1, or nothing') : undefined,
  });
}

function lastOrder(saved: unknown): Required<LastOrder> {
  const { methods, budgets, limit } = (typeof saved === 'object' && saved !== null ? saved : {}) as LastOrder;
  return {
    methods: Array.isArray(methods) ? (methods as readonly string[]) : firstOrder.methods,
    budgets: typeof budgets === 'string' ? budgets : firstOrder.budgets,
    limit: typeof limit === 'string' ? limit : firstOrder.limit,
  };
}
