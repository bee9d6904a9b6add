import * as vscode from 'vscode';
import type { StageProgress } from '../../native/rpc.ts';
import { plainMessage } from '../plain-words.ts';
import { answerTail } from './progress.ts';

/** What the pipeline is doing, for the progress notification. */
export function stageSentence({ stage, done, total, text }: StageProgress): string {
  switch (stage) {
    case 'queued':
      return vscode.l10n.t('waiting for the run before this one');
    case 'image':
      return total > 1 ? vscode.l10n.t('reading image {0} of {1}', done, total) : vscode.l10n.t('reading the image');
    case 'load':
      return total > 0
        ? vscode.l10n.t('loading the model, part {0} of {1}', done, total)
        : vscode.l10n.t('loading the model');
    case 'vision':
      return vscode.l10n.t('vision layer {0} of {1}', done, total);
    case 'tiles':
      return vscode.l10n.t('high-resolution tile {0} of {1}', done, total);
    case 'frames':
      return vscode.l10n.t('frame {0} of {1}', done, total);
    case 'solve':
      return vscode.l10n.t('finding parameters for the budget, trial {0}', done + 1);
    case 'prefill':
      return vscode.l10n.t('reading the question, layer {0} of {1}', done, total);
    case 'decode':
      return text === undefined || text.trim() === ''
        ? vscode.l10n.t('answering')
        : vscode.l10n.t('answer: {0}', plainMessage(answerTail(text, 60)));
    case 'write':
      return vscode.l10n.t('writing the trace');
  }
}

/** The same in a word or two, for the status bar. */
export function stageWord({ stage, done, total }: StageProgress): string {
  const count = total > 0 ? ` ${done}/${total}` : '';
  switch (stage) {
    case 'queued':
      return vscode.l10n.t('waiting');
    case 'image':
      return vscode.l10n.t('image');
    case 'load':
      return vscode.l10n.t('load') + count;
    case 'vision':
      return vscode.l10n.t('vision') + count;
    case 'tiles':
      return vscode.l10n.t('tiles') + count;
    case 'frames':
      return vscode.l10n.t('frames') + count;
    case 'solve':
      return vscode.l10n.t('budget');
    case 'prefill':
      return vscode.l10n.t('prefill') + count;
    case 'decode':
      return vscode.l10n.t('decode') + count;
    case 'write':
      return vscode.l10n.t('write');
  }
}
