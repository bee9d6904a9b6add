import * as vscode from 'vscode';
import { imagePathOf } from './image-of-trace.ts';
import { TraceDocument } from './trace-document.ts';
import { TracePanel, type PanelServices } from './trace-panel.ts';

export const traceViewType = 'fovea.trace';

/** All open traces: the custom editor, and which of its panels is in front. */
export class TraceEditors implements vscode.CustomReadonlyEditorProvider<TraceDocument>, vscode.Disposable {
  private readonly panels = new Set<TracePanel>();
  private readonly activeChanged = new vscode.EventEmitter<TracePanel | undefined>();
  /** Fires when another panel, or none, is active, and when the active one has a new status text. */
  readonly onDidChangeActive = this.activeChanged.event;
  private readonly registration: vscode.Disposable;

  constructor(private readonly services: Omit<PanelServices, 'statusChanged' | 'saveFigure'>) {
    this.registration = vscode.window.registerCustomEditorProvider(traceViewType, this, {
      supportsMultipleEditorsPerDocument: true,
    });
  }

  get active(): TracePanel | undefined {
    return [...this.panels].find(({ active }) => active);
  }

  private document(uri?: vscode.Uri): TraceDocument | undefined {
    if (!uri) return this.active?.document;
    return [...this.panels].find(({ document }) => document.uri.toString() === uri.toString())?.document;
  }

  /**
   * The image file that the trace at this address, or the one in the active panel, was made of.
   * @returns `unknown` when the trace does not name one of this machine, undefined when no such trace is open
   */
  imageOf(trace?: vscode.Uri): vscode.Uri | 'unknown' | undefined {
    const content = this.document(trace)?.content;
    // An evaluation has many images.
    if (!content || content.kind === 'evaluation') return undefined;
    const path = content.kind === 'open' ? imagePathOf(content.reader.metadata) : undefined;
    return path === undefined ? 'unknown' : vscode.Uri.file(path);
  }

  async open(trace: vscode.Uri): Promise<void> {
    await vscode.commands.executeCommand('vscode.openWith', trace, traceViewType, { preview: false });
  }

  openCustomDocument(uri: vscode.Uri): Promise<TraceDocument> {
    return TraceDocument.open(uri, this.services.log);
  }

  resolveCustomEditor(document: TraceDocument, webviewPanel: vscode.WebviewPanel): void {
    const changed = (): void => {
      this.activeChanged.fire(this.active);
    };
    const panel: TracePanel = new TracePanel(document, webviewPanel, {
      ...this.services,
      statusChanged: changed,
      saveFigure: figure => this.saveFigure(figure),
    });
    this.panels.add(panel);
    const viewState = webviewPanel.onDidChangeViewState(changed);
    webviewPanel.onDidDispose(() => {
      viewState.dispose();
      this.panels.delete(panel);
      changed();
    });
    changed();
  }

  /** Lets the user choose a decoder layer, or one of its heads, for the active panel. */
  async goTo(): Promise<void> {
    const panel = this.active;
    const content = panel?.document.content;
    if (content?.kind !== 'open') return;
    const { pickLayerOrHead } = await import('./go-to.ts');
    const place = await pickLayerOrHead(content.reader.metadata);
    if (place) await panel?.show(place.layer, place.head);
  }

  /** @param figure of the active panel; the user chooses where it is not known */
  async saveFigure(figure: number | undefined): Promise<void> {
    const panel = this.active;
    if (!panel) {
      void vscode.window.showInformationMessage(vscode.l10n.t('Open a trace first; its figures can then be saved.'));
      return;
    }
    const { saveFigure } = await import('../figure/save-figure.ts');
    await saveFigure(panel, figure, this.services.log);
  }

  dispose(): void {
    this.registration.dispose();
    this.activeChanged.dispose();
  }
}
