import { randomBytes } from 'node:crypto';
import path from 'node:path';
import * as vscode from 'vscode';
import type { TraceReader } from '../../trace/reader.ts';
import type { PanelCommand, PanelMethod, RunAgain, ToHost, ToPanel } from '../../webview/messages.ts';
import { background } from '../background.ts';
import { ComparedRuns } from '../compare/compared-runs.ts';
import { panelHtml } from './panel-html.ts';
import { parseToHost } from './panel-messages.ts';
import { PanelQuestions } from './panel-questions.ts';
import type { TraceDocument } from './trace-document.ts';
import type { TraceProblem } from './trace-problem.ts';

export interface PanelServices {
  readonly extensionUri: vscode.Uri;
  readonly log: vscode.LogOutputChannel;
  readonly runCommand: (command: PanelCommand, document: TraceDocument) => Thenable<unknown>;
  /** Runs a question of an evaluation under one of its conditions; both are indices that the panel sent. */
  readonly askQuestion: (document: TraceDocument, question: number, condition: number) => Promise<void>;
  readonly listMethods: (document: TraceDocument) => Promise<readonly PanelMethod[]>;
  readonly runAgain: (request: RunAgain, document: TraceDocument) => Promise<unknown>;
  /** Called when this panel's line for the status bar, or its file, changes. */
  readonly statusChanged: () => void;
  /** Called when the user asks for it in the panel. */
  readonly saveFigure: (figure: number | undefined) => Promise<void>;
}

/** One editor that shows a trace: answers the webview's messages. */
export class TracePanel {
  /** What is locked or hovered, for the status bar. */
  status = '';
  readonly questions = new PanelQuestions(message => this.post(message));
  private listening = false;
  private readonly compared: ComparedRuns;
  /** Somebody asked for the comparison before the panel could show it. */
  private comparisonWanted = false;
  private readonly subscriptions: { dispose(): unknown }[];

  constructor(
    readonly document: TraceDocument,
    private readonly panel: vscode.WebviewPanel,
    private readonly services: PanelServices,
  ) {
    const { webview } = panel;
    const folder = vscode.Uri.joinPath(services.extensionUri, 'dist', 'webview');
    webview.options = { enableScripts: true, localResourceRoots: [folder] };
    this.compared = new ComparedRuns(document.uri.toString(), services.log);
    this.subscriptions = [
      this.compared,
      this.compared.onDidChange(() => {
        background(this.showComparison(), services.log);
      }),
      webview.onDidReceiveMessage((message: unknown) => {
        background(this.receive(message), services.log);
      }),
      document.onDidChange(() => {
        services.statusChanged();
        background(this.showDocument(), services.log);
      }),
      vscode.workspace.onDidGrantWorkspaceTrust(() => {
        background(this.showDocument(), services.log);
      }),
      panel.onDidDispose(() => {
        this.questions.abandon();
        vscode.Disposable.from(...this.subscriptions).dispose();
      }),
    ];
    webview.html = panelHtml({
      cspSource: webview.cspSource,
      script: webview.asWebviewUri(vscode.Uri.joinPath(folder, 'main.js')).toString(),
      style: webview.asWebviewUri(vscode.Uri.joinPath(folder, 'main.css')).toString(),
      nonce: randomBytes(18).toString('base64'),
      language: vscode.env.language,
      title: vscode.l10n.t('Fovea: {0}', path.posix.basename(document.uri.path)),
    });
  }

  get active(): boolean {
    return this.panel.active;
  }

  get visible(): boolean {
    return this.panel.visible;
  }

  get viewColumn(): vscode.ViewColumn | undefined {
    return this.panel.viewColumn;
  }

  /** Makes the panel show a layer and, when given, a head, 0-based. */
  async show(layer: number, head?: number): Promise<void> {
    await this.post({ type: 'show', layer, ...(head === undefined ? {} : { head }) });
  }

  /** Addresses of the runs that it is compared with. */
  get comparedWith(): readonly string[] {
    return this.compared.addresses;
  }

  /** Shows these runs next to the panel's own, instead of those before. */
  async compare(addresses: readonly string[]): Promise<void> {
    await this.compared.set(addresses);
    this.comparisonWanted = addresses.length > 0;
    await this.showComparison();
  }

  private async receive(value: unknown): Promise<void> {
    const message = parseToHost(value);
    if (!message) {
      this.services.log.warn('The panel sent a message that is not part of the contract; it is ignored.');
      return;
    }
    switch (message.type) {
      case 'ready':
        // Sent again whenever the panel was hidden in between: its document is then a new one.
        if (this.listening) this.questions.abandon();
        this.listening = true;
        await this.showDocument();
        break;
      case 'slice':
        await this.answerSlice(message);
        break;
      case 'compare':
        await this.compared.set(message.addresses);
        await this.showComparison();
        break;
      case 'command':
        await this.services.runCommand(message.command, this.document);
        break;
      case 'askQuestion':
        await this.services.askQuestion(this.document, message.question, message.condition);
        break;
      case 'methods':
        await this.post({ type: 'methods', methods: await this.services.listMethods(this.document) });
        break;
      case 'runAgain':
        await this.services.runAgain(message.request, this.document);
        break;
      case 'status':
        this.status = message.text;
        this.services.statusChanged();
        break;
      case 'saveFigure':
        await this.services.saveFigure(message.figure);
        break;
      case 'figures':
      case 'figure':
      case 'figureFailed':
        this.questions.answer(message);
        break;
      case 'error':
        this.services.log.error(`Panel: ${message.message}`);
        break;
    }
  }

  private async showDocument(): Promise<void> {
    if (!this.listening) return;
    const { content } = this.document;
    const canRun = vscode.workspace.isTrusted;
    if (content.kind === 'unreadable') await this.post({ type: 'failed', ...content.problem });
    else if (content.kind === 'evaluation') {
      await this.post({ type: 'evaluation', evaluation: content.evaluation, canRun });
    } else if (content.kind === 'traffic') {
      await this.post({ type: 'traffic', metadata: content.metadata, tensors: content.tensors, canRun });
    } else {
      const { metadata, tensors } = content.reader;
      await this.post({ type: 'run', metadata, tensors, canRun });
      await this.showComparison();
    }
  }

  private async showComparison(): Promise<void> {
    if (!this.listening || this.document.content.kind !== 'open') return;
    const show = this.comparisonWanted;
    this.comparisonWanted = false;
    await this.post({ type: 'comparison', runs: this.compared.entries(), show });
  }

  private async answerSlice({ request, run, tensor, ranges }: Extract<ToHost, { type: 'slice' }>): Promise<void> {
    const source = this.readerOf(run);
    let answer: ToPanel;
    try {
      answer =
        'slice' in source
          ? { type: 'slice', request, ...(await source.slice(tensor, ranges)) }
          : { type: 'sliceFailed', request, message: source.message };
    } catch (error) {
      answer = { type: 'sliceFailed', request, message: error instanceof Error ? error.message : String(error) };
    }
    await this.post(answer);
  }

  private readerOf(run: number): TraceReader | Pick<TraceProblem, 'message'> {
    const { content } = this.document;
    if (run === 0 && content.kind !== 'open')
      return content.kind === 'unreadable'
        ? content.problem
        : { message: vscode.l10n.t('The file is no run any more.') };
    if (run === 0 && content.kind === 'open') return content.reader;
    return (
      this.compared.readerOf(run) ?? {
        message: vscode.l10n.t('This run is no longer compared, or its file has changed.'),
      }
    );
  }

  /** @returns whether the panel got it */
  private async post(message: ToPanel): Promise<boolean> {
    try {
      return await this.panel.webview.postMessage(message);
    } catch (error) {
      // The panel was closed while its answer was on the way.
      this.services.log.debug(`Panel: ${String(error)}`);
      return false;
    }
  }
}
