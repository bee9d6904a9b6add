/** Saving a method runs the open analysis again, and its panel shows what changed. */
import path from 'node:path';
import * as vscode from 'vscode';
import { foreignShares } from '../../trace/network-path.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { offerRemedies } from '../analysis/failure-notice.ts';
import { stageSentence } from '../analysis/stage-words.ts';
import { background } from '../background.ts';
import type { PipelineClient } from '../pipeline/client.ts';
import { plainLabel } from '../plain-words.ts';
import { Settings } from '../settings/settings.ts';
import { liveRequest } from './live-request.ts';
import { isSameFile } from './named-module.ts';
import { namedByUser } from './own-methods.ts';

export interface LiveMethodServices {
  readonly pipeline: PipelineClient;
  readonly bundledModel: vscode.Uri;
  readonly log: vscode.LogOutputChannel;
  /** All runs that are open in panels, the one to run again first. */
  readonly openRuns: () => readonly { readonly trace: vscode.Uri; readonly metadata: RunMetadata }[];
  /** Opens the run where the other one, which it follows, can be seen beside the text. */
  readonly openTrace: (trace: vscode.Uri, other: vscode.Uri) => Promise<void>;
}

/** The run that was made first is kept; the one beside it is written anew with every save. */
export class LiveMethod implements vscode.Disposable {
  private readonly saved: vscode.Disposable;
  private running: AbortController | undefined;

  constructor(private readonly services: LiveMethodServices) {
    this.saved = vscode.workspace.onDidSaveTextDocument(({ uri }) => {
      if (uri.scheme === 'file' && vscode.workspace.isTrusted) background(this.runAgain(uri.fsPath), services.log);
    });
  }

  dispose(): void {
    this.running?.abort();
    this.saved.dispose();
  }

  private async runAgain(module: string): Promise<void> {
    const open = this.services
      .openRuns()
      .find(
        ({ trace, metadata: { method } }) =>
          trace.scheme === 'file' && method.module !== undefined && isSameFile(method.module.path, module),
      );
    if (!open || !namedByUser(module, open.trace)) return;
    const { device, threads, visionTower } = new Settings(open.trace);
    const request = liveRequest(open.trace.fsPath, open.metadata, module, this.services.bundledModel.fsPath, {
      device,
      threads,
      ...visionTower,
    });
    const [share] = foreignShares([request.imagePath, request.modelFolder], open.trace.fsPath);
    if (share !== undefined) {
      this.services.log.warn(
        `Not run again by itself: ${open.trace.fsPath} names files on another computer, ${share}.`,
      );
      return;
    }
    this.running?.abort();
    const control = new AbortController();
    this.running = control;
    const title = vscode.l10n.t('Fovea: {0}', plainLabel(path.basename(module)));
    const options = { location: vscode.ProgressLocation.Window, title };
    try {
      const outcome = await vscode.window.withProgress(options, notification =>
        this.services.pipeline.analyze(
          request,
          progress => {
            notification.report({ message: plainLabel(stageSentence(progress)) });
          },
          control.signal,
        ),
      );
      if (outcome.kind === 'finished')
        await this.services.openTrace(vscode.Uri.file(outcome.result.tracePath), open.trace);
    } catch (error) {
      this.services.log.error(error instanceof Error ? error : String(error));
      background(offerRemedies(error, this.services.log, {}), this.services.log);
    } finally {
      if (this.running === control) this.running = undefined;
    }
  }
}
