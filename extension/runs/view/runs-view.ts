import * as vscode from 'vscode';
import { background } from '../../background.ts';
import { groupByImage, totalBytes, type ImageGroup } from './run-groups.ts';
import type { ListedEvaluation } from '../../evaluation/evaluation-list.ts';
import type { EvaluationNode, EvaluationsNode } from './evaluation-items.ts';
import type { ImageNode, ListedTrace, RunNode, RunsNode } from './run-items.ts';
import type { LazyRunIndex } from './run-places.ts';
import { sizeText } from './run-text.ts';
import type { Thumbnails } from './thumbnails.ts';
import type { TrafficNode } from './traffic-items.ts';

const runsViewId = 'fovea.runs';

/** For deleted runs. */
export function trashFolder(globalStorageUri: vscode.Uri): vscode.Uri {
  return vscode.Uri.joinPath(globalStorageUri, 'trash');
}

export interface RunsViewServices {
  readonly globalStorageUri: vscode.Uri;
  readonly index: LazyRunIndex;
  /** Absolute paths of the folders that runs and evaluations are in. */
  readonly places: () => readonly string[];
  readonly log: vscode.LogOutputChannel;
}

/** The view "Fovea Runs": the runs on disk by image. Nothing is read before the view is shown. */
export class RunsView implements vscode.TreeDataProvider<RunsNode>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<RunsNode | undefined>();
  readonly onDidChangeTreeData = this.changed.event;
  private readonly view: vscode.TreeView<RunsNode>;
  private readonly subscriptions: { dispose(): unknown }[];
  private images: readonly ImageNode[] = [];
  private thumbnails: Thumbnails | undefined;
  private listening = false;

  constructor(private readonly services: RunsViewServices) {
    this.view = vscode.window.createTreeView(runsViewId, {
      treeDataProvider: this,
      canSelectMany: true,
      showCollapseAll: true,
    });
    this.subscriptions = [
      this.view,
      this.changed,
      vscode.workspace.onDidChangeWorkspaceFolders(() => {
        this.changed.fire(undefined);
      }),
      vscode.workspace.onDidChangeConfiguration(event => {
        if (event.affectsConfiguration('fovea.runs.folder')) this.changed.fire(undefined);
      }),
    ];
  }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
  }

  /** Looks at the disk again. */
  async refresh(): Promise<void> {
    (await this.services.index.get()).refresh();
  }

  /**
   * The runs and traffic that a command is for: what it was called on, which may be one of several selected, else the
   * selection.
   */
  chosen(clicked: unknown, selected: unknown): ListedTrace[] {
    return this.nodes(clicked, selected).flatMap(node => listedTrace(node) ?? []);
  }

  /** As `chosen`, with evaluations: for what leaves the files as they are. */
  chosenFiles(clicked: unknown, selected: unknown): vscode.Uri[] {
    return this.nodes(clicked, selected).flatMap(node => {
      const trace = listedTrace(node) ?? listedEvaluation(node);
      return trace ? [vscode.Uri.file(trace.path)] : [];
    });
  }

  private nodes(clicked: unknown, selected: unknown): readonly unknown[] {
    if (Array.isArray(selected) && selected.length > 0) return selected as unknown[];
    return clicked ? [clicked] : this.view.selection;
  }

  async getChildren(node?: RunsNode): Promise<RunsNode[]> {
    if (node?.kind === 'run' || node?.kind === 'evaluation' || node?.kind === 'traffic') return [];
    if (node?.kind === 'trafficGroup')
      return node.traffic.map((traffic): TrafficNode => ({ kind: 'traffic', traffic }));
    if (node?.kind === 'evaluations')
      return node.evaluations.map((evaluation): EvaluationNode => ({ kind: 'evaluation', evaluation }));
    if (node) return node.group.runs.map((run): RunNode => ({ kind: 'run', run, image: node }));
    const index = await this.services.index.get();
    if (!this.listening) {
      this.listening = true;
      this.subscriptions.push(
        index.onDidChange(() => {
          this.changed.fire(undefined);
        }),
      );
      background(this.sweepTrash(), this.services.log);
    }
    const [runs, traffic] = [await index.list(), await index.listTraffic()];
    this.images = groupByImage(runs).map((group: ImageGroup): ImageNode => ({ kind: 'image', group }));
    // A view alone in its container shows its title only, and no description.
    const name = vscode.l10n.t('Runs');
    const size = totalBytes([...runs, ...traffic]);
    this.view.title = size === 0 ? name : `${name} · ${sizeText(size, vscode.env.language)}`;
    const ranks: RunsNode[] = traffic.length > 0 ? [{ kind: 'trafficGroup', traffic }] : [];
    return [...(await this.evaluations()), ...ranks, ...this.images];
  }

  async getTreeItem(node: RunsNode): Promise<vscode.TreeItem> {
    if (node.kind === 'evaluations' || node.kind === 'evaluation') {
      const { evaluationItem, evaluationsItem } = await import('./evaluation-items.ts');
      return node.kind === 'evaluations' ? evaluationsItem(node) : evaluationItem(node, opens(node.evaluation.path));
    }
    if (node.kind === 'trafficGroup' || node.kind === 'traffic') {
      const { trafficGroupItem, trafficItem } = await import('./traffic-items.ts');
      return node.kind === 'traffic' ? trafficItem(node, opens(node.traffic.path)) : trafficGroupItem(node);
    }
    const { imageItem, runItem } = await import('./run-items.ts');
    if (node.kind === 'run') return runItem(node, opens(node.run.path));
    return imageItem(node, (await this.thumbnailFiles()).get(node.group));
  }

  async resolveTreeItem(item: vscode.TreeItem, node: RunsNode): Promise<vscode.TreeItem> {
    if (node.kind === 'run') item.tooltip = await (await import('./run-items.ts')).runTooltip(node);
    return item;
  }

  private async evaluations(): Promise<EvaluationsNode[]> {
    const { listEvaluations } = await import('../../evaluation/evaluation-list.ts');
    const evaluations = await listEvaluations(this.services.places());
    return evaluations.length > 0 ? [{ kind: 'evaluations', evaluations }] : [];
  }

  private async sweepTrash(): Promise<void> {
    const { sweepTrash } = await import('./run-trash.ts');
    await sweepTrash(trashFolder(this.services.globalStorageUri).fsPath, Date.now());
  }

  private async thumbnailFiles(): Promise<Thumbnails> {
    const { Thumbnails } = await import('./thumbnails.ts');
    const { globalStorageUri, log } = this.services;
    this.thumbnails ??= new Thumbnails(vscode.Uri.joinPath(globalStorageUri, 'thumbnails'), log, digest => {
      const image = this.images.find(({ group }) => group.digest === digest);
      if (image) this.changed.fire(image);
    });
    return this.thumbnails;
  }
}

/** @param value what VS Code hands to a command: a node of this view, or anything */
function listedTrace(value: unknown): ListedTrace | undefined {
  const node = value as RunsNode | null | undefined;
  if (typeof node !== 'object' || node === null) return undefined;
  if (node.kind === 'run') return node.run;
  return node.kind === 'traffic' ? node.traffic : undefined;
}

function listedEvaluation(value: unknown): ListedEvaluation | undefined {
  const node = value as RunsNode | null | undefined;
  return typeof node === 'object' && node?.kind === 'evaluation' ? node.evaluation : undefined;
}

/** As files in the Explorer: VS Code leaves the focus in the tree after a click, so that Delete goes on working, and moves it after Enter. */
function opens(trace: string): vscode.Command {
  return {
    command: 'vscode.open',
    title: vscode.l10n.t('Open'),
    arguments: [vscode.Uri.file(trace), { preview: false } satisfies vscode.TextDocumentShowOptions],
  };
}
