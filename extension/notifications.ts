/** The only way to notifications: their texts hold names and paths from traces, which may come from anybody. */
import * as vscode from 'vscode';
import { plainMessage } from './plain-words.ts';

export function showInformationMessage(message: string, ...choices: string[]): Thenable<string | undefined> {
  return vscode.window.showInformationMessage(plainMessage(message), ...choices);
}

export function showWarningMessage(message: string, ...choices: string[]): Thenable<string | undefined> {
  return vscode.window.showWarningMessage(plainMessage(message), ...choices);
}

export function showErrorMessage(message: string, ...choices: string[]): Thenable<string | undefined> {
  return vscode.window.showErrorMessage(plainMessage(message), ...choices);
}
