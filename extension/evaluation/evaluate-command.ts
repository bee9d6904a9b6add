/** From a question set to an open evaluation. */
import path from 'node:path';
import * as vscode from 'vscode';
import { showInformationMessage, showWarningMessage } from '../notifications.ts';
import type { EvaluateResult, EvaluationProgress } from '../../native/rpc.ts';
import { trusted } from '../analysis/analysis.ts';
import { offerRemedies } from '../analysis/failure-notice.ts';
import type { RunFolder } from '../analysis/run-folder.ts';
import { background } from '../background.ts';
import { knownMethods, soundMethods } from '../methods/own-methods.ts';
import type { EvaluationRequest, PipelineClient } from '../pipeline/client.ts';
import { plainMessage } from '../plain-words.ts';
import { Settings } from '../settings/settings.ts';
import { durationText, evaluationFolderName } from './evaluation-answers.ts';
import { pickOrder, pickQuestionSet } from './pick-order.ts';

export interface EvaluationServices {
  readonly context: vscode.ExtensionContext;
  readonly log: vscode.LogOutputChannel;
  readonly pipeline: PipelineClient;
  readonly runs: RunFolder;
  readonly bundledModel: vscode.Uri;
  readonly openTrace: (trace: vscode.Uri) => Promise<void>;
}

/** @param named the set, e.g. from the Explorer; asked for when missing */
export async function evaluateQuestionSet(services: EvaluationServices, named: unknown): Promise<void> {
  if (!trusted()) return;
  const { context, log, pipeline, runs, bundledModel } = services;
  try {
    const set = named instanceof vscode.Uri ? named : await pickQuestionSet(context.extensionUri);
    if (!set) return;
    if (set.scheme !== 'file') {
      const message = vscode.l10n.t('The question set is not a file on this machine. Save a copy to a folder.');
      void showWarningMessage(message);
      return;
    }
    const order = await pickOrder(soundMethods(await knownMethods(services, set)), context.workspaceState);
    if (!order) return;
    const settings = new Settings(set);
    const request: EvaluationRequest = {
      ...order,
      setPath: set.fsPath,
      outFolder: vscode.Uri.joinPath(runs.location(set), evaluationFolderName(set.fsPath)).fsPath,
      jobs: 1,
      modelFolder: settings.modelFolder ?? bundledModel.fsPath,
      ...settings.visionTower,
      maxNewTokens: settings.maxNewTokens,
      device: settings.device,
      threads: settings.threads,
    };
    log.info(`Evaluating ${order.methods.join(', ')} at ${order.budgets.join(', ')} on ${set.fsPath}`);
    const result = await withProgress(pipeline, request);
    await finish(services, request, result);
  } catch (error) {
    log.error(error instanceof Error ? error : String(error));
    background(offerRemedies(error, log, { tryAgain: () => evaluateQuestionSet(services, named) }), log);
  }
}

function withProgress(pipeline: PipelineClient, request: EvaluationRequest): Thenable<EvaluateResult | undefined> {
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: vscode.l10n.t('Fovea: evaluating {0}', plainMessage(path.basename(request.setPath))),
    cancellable: true,
  };
  return vscode.window.withProgress(options, async (notification, token) => {
    const control = new AbortController();
    const subscription = token.onCancellationRequested(() => {
      control.abort();
    });
    let shown = 0;
    try {
      return await pipeline.evaluate(
        request,
        progress => {
          const percent = progress.total > 0 ? (100 * progress.done) / progress.total : 0;
          notification.report({ message: progressWords(progress), increment: Math.max(0, percent - shown) });
          shown = Math.max(shown, percent);
        },
        control.signal,
      );
    } finally {
      subscription.dispose();
    }
  });
}

function progressWords({ done, total, remaining }: EvaluationProgress): string {
  if (remaining === undefined) return vscode.l10n.t('{0} of {1} runs', done, total);
  return vscode.l10n.t('{0} of {1} runs, {2} left', done, total, durationText(remaining));
}

async function finish(
  { log, openTrace }: EvaluationServices,
  request: EvaluationRequest,
  result: EvaluateResult | undefined,
): Promise<void> {
  if (!result) {
    const message = vscode.l10n.t('The evaluation was cancelled. What was answered is kept; evaluate again to go on.');
    void showInformationMessage(message);
    return;
  }
  log.info(`Evaluation: ${result.done} of ${result.total} runs, in ${request.outFolder}`);
  for (const { line, message, condition } of result.problems)
    log.warn(`Line ${line}${condition === undefined ? '' : ` (${condition})`}: ${message}`);
  if (result.startedAnew) {
    const message = vscode.l10n.t(
      'Earlier results did not belong to this evaluation ({0} changed), so it started anew. They are kept in {1}.',
      result.startedAnew.changed.join(', '),
      result.startedAnew.movedTo,
    );
    void showInformationMessage(message);
  }
  // Lists of runs watch the folder above.
  await vscode.commands.executeCommand('fovea.runs.refresh');
  const trace = vscode.Uri.file(result.tracePath);
  if (result.state === 'complete') {
    await openTrace(trace);
    return;
  }
  const open = vscode.l10n.t('Open What Was Computed');
  const message = vscode.l10n.t(
    'The evaluation was cancelled after {0} of {1} runs. Evaluate again with the same methods to go on.',
    result.done,
    result.total,
  );
  background(
    Promise.resolve(showInformationMessage(message, open)).then(answer =>
      answer === open ? openTrace(trace) : undefined,
    ),
    log,
  );
}
