import path from 'node:path';
import * as vscode from 'vscode';
import type { MethodRequest } from '../../native/rpc.ts';
import type { Sampling } from '../../trace/schema.ts';
import type { AnalyzeOutcome, PipelineClient } from '../pipeline/client.ts';
import { plainMessage } from '../plain-words.ts';
import { Settings } from '../settings/settings.ts';
import { fractionDone } from './progress.ts';
import type { RunFolder } from './run-folder.ts';
import { stageSentence } from './stage-words.ts';

export interface RunServices {
  readonly pipeline: PipelineClient;
  readonly runs: RunFolder;
  readonly bundledModel: vscode.Uri;
}

/** What a run does otherwise than the settings and the model's defaults say. */
export interface RunOrder {
  /** All visual tokens run without one. */
  readonly method?: MethodRequest;
  /** All that is read, where that is not the one image: files and folders of frames, absolute. */
  readonly sources?: readonly string[];
  readonly modelFolder?: string;
  readonly maxNewTokens?: number;
  readonly sampling?: Sampling;
}

/**
 * Runs the model on one image with a cancellable progress notification.
 * @throws PipelineFailure, and errors of the file system
 */
export async function runAnalysis(
  services: RunServices,
  image: vscode.Uri,
  question: string,
  order: RunOrder = {},
): Promise<AnalyzeOutcome> {
  const settings = new Settings(image);
  const file = await services.runs.reserve(image);
  try {
    return await vscode.window.withProgress(
      {
        location: vscode.ProgressLocation.Notification,
        title: vscode.l10n.t('Fovea: {0}', plainMessage(path.basename(image.fsPath))),
        cancellable: true,
      },
      async (notification, token) => {
        const control = new AbortController();
        const subscription = token.onCancellationRequested(() => {
          control.abort();
        });
        let shown = 0;
        const [imagePath = image.fsPath, ...furtherImages] = order.sources ?? [];
        try {
          const request = {
            imagePath,
            ...(furtherImages.length > 0 && { furtherImages }),
            question,
            modelFolder: order.modelFolder ?? settings.modelFolder ?? services.bundledModel.fsPath,
            ...settings.visionTower,
            tracePath: file.trace.fsPath,
            maxNewTokens: order.maxNewTokens ?? settings.maxNewTokens,
            sampling: order.sampling ?? settings.sampling,
            ...(order.method && { method: order.method }),
            device: settings.device,
            threads: settings.threads,
          };
          return await services.pipeline.analyze(
            request,
            progress => {
              const message = stageSentence(progress);
              if (progress.stage === 'queued') {
                // Without an increment the bar keeps moving: how long the wait is nobody knows.
                notification.report({ message });
                return;
              }
              const percent = 100 * fractionDone(progress);
              notification.report({ message, increment: Math.max(0, percent - shown) });
              shown = Math.max(shown, percent);
            },
            control.signal,
          );
        } finally {
          subscription.dispose();
        }
      },
    );
  } finally {
    await file.dispose();
  }
}
