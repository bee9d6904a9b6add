import * as vscode from 'vscode';
import { plainLabel } from '../plain-words.ts';
import { pickOrType } from '../typed-pick.ts';
import { questionsFrom, rememberQuestion } from './question-history.ts';

const historyKey = 'questions';

interface QuestionItem extends vscode.QuickPickItem {
  readonly question: string;
}

/** Asks what the model is to answer, and remembers it before anything can fail. */
export class QuestionPicker {
  private abandoned = '';

  constructor(private readonly storage: vscode.Memento) {}

  /** @returns undefined when the user pressed Escape; what was typed is offered again the next time */
  async ask(imageName: string): Promise<string | undefined> {
    const history = questionsFrom(this.storage.get(historyKey));
    const chosen = await pickOrType<QuestionItem>({
      title: vscode.l10n.t('Ask about {0}', imageName),
      placeholder: vscode.l10n.t('Type a question about the image and press Enter'),
      items: this.offered(history),
      itemFor: typed => (typed === '' ? undefined : item(typed)),
      onAbandoned: typed => {
        this.abandoned = typed;
      },
    });
    if (!chosen) return undefined;
    this.abandoned = '';
    await this.storage.update(historyKey, rememberQuestion(history, chosen.question));
    return chosen.question;
  }

  private offered(history: readonly string[]): (QuestionItem | vscode.QuickPickItem)[] {
    const draft = history.includes(this.abandoned) ? '' : this.abandoned;
    const drafts = draft === '' ? [] : [item(draft, vscode.l10n.t('typed before, not asked'))];
    const suggestions = [
      vscode.l10n.t('Describe the image.'),
      vscode.l10n.t('What is in the center?'),
      vscode.l10n.t('How many objects are there?'),
    ].filter(suggestion => !history.includes(suggestion));
    return [
      ...drafts,
      ...(history.length > 0 ? [separator(vscode.l10n.t('asked before'))] : []),
      ...history.map(question => item(question)),
      separator(vscode.l10n.t('suggestions')),
      ...suggestions.map(question => item(question)),
    ];
  }
}

function item(question: string, description?: string): QuestionItem {
  return { label: plainLabel(question), question, ...(description === undefined ? {} : { description }) };
}

function separator(label: string): vscode.QuickPickItem {
  return { label, kind: vscode.QuickPickItemKind.Separator };
}
