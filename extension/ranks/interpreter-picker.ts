import path from 'node:path';
import * as vscode from 'vscode';
import { showErrorMessage } from '../notifications.ts';
import { plainLabel } from '../plain-words.ts';
import { pickOrType } from '../typed-pick.ts';
import {
  factsSentence,
  type InterpreterFacts,
  type InterpreterProblem,
  likelyInterpreters,
  probeInterpreter,
} from './interpreters.ts';

const lastKey = 'ranks.interpreter';

export interface Interpreter {
  readonly path: string;
  readonly facts: InterpreterFacts;
}

interface InterpreterItem extends vscode.QuickPickItem {
  /** `undefined` opens the file dialog. */
  readonly interpreter: string | undefined;
}

/** Lets the user choose a Python that has PyTorch; tells what to do when it has none. */
export async function pickInterpreter(storage: vscode.Memento): Promise<Interpreter | undefined> {
  const candidates = likelyInterpreters([storage.get<string>(lastKey), pythonSetting()], process.platform);
  const probed = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: vscode.l10n.t('Looking for Pythons with PyTorch…') },
    () =>
      Promise.all(candidates.map(async candidate => ({ path: candidate, facts: await probeInterpreter(candidate) }))),
  );
  const usable = probed.filter(({ facts }) => facts.torch !== undefined);
  const chosen = await pickOrType<InterpreterItem>({
    title: vscode.l10n.t('Run LV-XAttn on GPUs: Python'),
    placeholder: vscode.l10n.t('Choose a Python with PyTorch, or type its path'),
    items: [
      ...usable.map(({ path: file, facts }) => ({
        label: plainLabel(file),
        description: vscode.l10n.t('Python {0}', facts.python),
        detail: factsSentence(facts, vscode.l10n.t('no GPU: ranks share the processor')),
        interpreter: file,
      })),
      {
        label: vscode.l10n.t('$(folder-opened) Browse…'),
        detail:
          usable.length > 0
            ? vscode.l10n.t('Another interpreter, for example of a virtual environment.')
            : vscode.l10n.t('None of {0} has PyTorch.', candidates.join(', ')),
        alwaysShow: true,
        interpreter: undefined,
      },
    ],
    itemFor: typed =>
      typed === '' ? undefined : { label: vscode.l10n.t('Use {0}', plainLabel(typed)), interpreter: typed },
  });
  if (!chosen) return undefined;
  const file = chosen.interpreter ?? (await browse());
  if (file === undefined) return undefined;
  const facts = probed.find(({ path: known }) => known === file)?.facts ?? (await probeInterpreter(file));
  if (facts.torch === undefined) return offerAnother(file, facts, storage);
  await storage.update(lastKey, file);
  return { path: file, facts };
}

async function offerAnother(
  file: string,
  { problem }: InterpreterFacts,
  storage: vscode.Memento,
): Promise<Interpreter | undefined> {
  const another = vscode.l10n.t('Choose Another');
  const message = vscode.l10n.t(
    '{0} cannot run the ranks: {1}. Install PyTorch for it (pip install torch numpy; Debian: apt install python3-torch), or choose another Python.',
    path.basename(file),
    problemText(problem),
  );
  return (await showErrorMessage(message, another)) === another ? pickInterpreter(storage) : undefined;
}

function problemText(problem: InterpreterProblem | undefined): string {
  switch (problem?.kind) {
    case 'missing':
      return vscode.l10n.t('there is no such program');
    case 'silent':
      return vscode.l10n.t('it is no Python, or does not answer');
    case 'notDistributed':
      return vscode.l10n.t('its PyTorch has no torch.distributed');
    case 'said':
      return problem.text;
    case undefined:
      return vscode.l10n.t('PyTorch is missing');
  }
}

/** What the Python extension would run, where it is installed. */
function pythonSetting(): string | undefined {
  const setting: unknown = vscode.workspace.getConfiguration('python').get('defaultInterpreterPath');
  return typeof setting === 'string' && path.isAbsolute(setting) ? setting : undefined;
}

async function browse(): Promise<string | undefined> {
  const chosen = await vscode.window.showOpenDialog({
    title: vscode.l10n.t('Choose a Python'),
    openLabel: vscode.l10n.t('Use This Python'),
  });
  return chosen?.[0]?.fsPath;
}
