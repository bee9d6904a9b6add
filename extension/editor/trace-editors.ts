import path from 'node:path';
import * as vscode from 'vscode';
import { showInformationMessage } from '../notifications.ts';
import { background } from '../background.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { imagePathOf } from './image-of-trace.ts';
import { TraceDocument, type TraceContent } from './trace-document.ts';
import { TracePanel, type PanelServices } from './trace-panel.ts';

export const traceViewType = 'fovea.trace';

/** All open traces: the custom editor, and which of its panels is in front. */
export class TraceEditors implements vscode.CustomReadonlyEditorProvider<TraceDocument>, vscode.Disposable {
  private readonly panels = new Set<TracePanel>();
  /** Comparisons that were asked for before their panel was there, by the address of its run. */
  private readonly wanted = new Map<string, readonly string[]>();
  private readonly activeChanged = new vscode.EventEmitter<TracePanel | undefined>();
  /** Fires when another panel, or none, is active, and when one has a new status text or shows another file. */
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

  /** Of the traces that panels show, each once. */
  fileNames(kind: TraceContent['kind']): string[] {
    const shown = [...this.panels].filter(({ document }) => document.content.kind === kind);
    return [...new Set(shown.map(({ document }) => path.posix.basename(document.uri.path)))].sort();
  }

  /** The runs that panels show: that of the active panel first, then those that can be seen, then the latest opened. */
  openRuns(): { readonly trace: vscode.Uri; readonly metadata: RunMetadata }[] {
    const nearness = ({ active, visible }: TracePanel): number => Number(active) + Number(visible);
    const shown = [...this.panels].reverse().sort((a, b) => nearness(b) - nearness(a));
    return shown.flatMap(({ document: { uri, content } }) =>
      content.kind === 'open' ? [{ trace: uri, metadata: content.reader.metadata }] : [],
    );
  }

  private document(uri?: vscode.Uri): TraceDocument | undefined {
    return uri ? this.panelOf(uri)?.document : this.active?.document;
  }

  private panelOf(uri: vscode.Uri): TracePanel | undefined {
    const panels = [...this.panels].filter(({ document }) => document.uri.toString() === uri.toString());
    return panels.find(({ active }) => active) ?? panels[0];
  }

  /**
   * The image file that the trace at this address, or the one in the active panel, was made of.
   * @returns `unknown` when the trace does not name one of this machine, undefined when no such trace is open
   */
  imageOf(trace?: vscode.Uri): vscode.Uri | 'unknown' | undefined {
    const content = this.document(trace)?.content;
    // An evaluation has many images; traffic keeps small pictures of its frames only.
    if (!content || content.kind === 'evaluation' || content.kind === 'traffic') return undefined;
    const image = content.kind === 'open' ? imagePathOf(content.reader.metadata) : undefined;
    return image === undefined ? 'unknown' : vscode.Uri.file(image);
  }

  /** The digest of the image of a trace that is open. */
  digestOf(trace: vscode.Uri): string | undefined {
    const content = this.document(trace)?.content;
    return content?.kind === 'open' ? content.reader.metadata.image.digest : undefined;
  }

  async open(trace: vscode.Uri): Promise<void> {
    this.document(trace)?.refresh();
    await vscode.commands.executeCommand('vscode.openWith', trace, traceViewType, { preview: false });
  }

  /**
   * Shows a run in the place of another, or of itself, and beside the text that is edited if that covers it. The text
   * keeps the focus.
   */
  async openBesideText(trace: vscode.Uri, other: vscode.Uri): Promise<void> {
    const own = this.panelOf(trace);
    if (own?.visible) return;
    const column = (own ?? this.panelOf(other))?.viewColumn;
    const covered = column === undefined || column === vscode.window.activeTextEditor?.viewColumn;
    await vscode.commands.executeCommand('vscode.openWith', trace, traceViewType, {
      preview: false,
      preserveFocus: true,
      viewColumn: covered ? vscode.ViewColumn.Beside : column,
    });
  }

  /** Opens the panel of a run with others next to it. */
  async compare(trace: vscode.Uri, others: readonly vscode.Uri[]): Promise<void> {
    const addresses = others.map(uri => uri.toString());
    this.wanted.set(trace.toString(), addresses);
    await this.open(trace);
    // A panel that is opened just now takes what is wanted when it comes to be, before or after this.
    if (!this.wanted.has(trace.toString())) return;
    const panel = this.panelOf(trace);
    if (!panel) return;
    this.wanted.delete(trace.toString());
    await panel.compare(addresses);
  }

  /** The runs that the one at this address is compared with at present. */
  comparedWith(trace: vscode.Uri): readonly vscode.Uri[] {
    return (this.panelOf(trace)?.comparedWith ?? []).map(address => vscode.Uri.parse(address));
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
    const wanted = this.wanted.get(document.uri.toString());
    if (wanted) {
      this.wanted.delete(document.uri.toString());
      background(panel.compare(wanted), this.services.log);
    }
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
      void showInformationMessage(vscode.l10n.t('Open a trace first; its figures can then be saved.'));
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
