import path from 'node:path';
import * as vscode from 'vscode';
import type { TraceReader } from '../../trace/reader.ts';
import type { ComparedEntry } from '../../webview/messages.ts';
import { TraceDocument, type TraceContent } from '../editor/trace-document.ts';
import { traceProblem, type TraceProblem } from '../editor/trace-problem.ts';

interface ComparedRun {
  number: number;
  readonly address: string;
  /** Absent when the address is none that can be opened. */
  readonly document?: TraceDocument;
  problem?: TraceProblem;
}

/** The runs that a panel shows next to its own: their files are open as long as they are compared. */
export class ComparedRuns implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  /** Fires when a file was written again, cut off or deleted; not for what `set` does. */
  readonly onDidChange = this.changed.event;
  private runs: ComparedRun[] = [];
  private nextNumber = 1;
  private turn: Promise<void> = Promise.resolve();
  private disposed = false;

  constructor(
    /** Of the panel's own run, which is not compared with itself. */
    private readonly own: string,
    private readonly log: vscode.LogOutputChannel,
  ) {}

  get addresses(): readonly string[] {
    return this.runs.map(({ address }) => address);
  }

  /** Opens what is new and closes what is no longer compared; one call after the other. */
  set(addresses: readonly string[]): Promise<void> {
    const turn = this.turn.then(() => this.replace([...new Set(addresses)].filter(address => address !== this.own)));
    this.turn = turn.catch(() => undefined);
    return turn;
  }

  /** For the panel. */
  entries(): ComparedEntry[] {
    return this.runs.map(({ number, address, document, problem }) => {
      const content = document?.content;
      const shown = problem ?? (content && problemOf(content));
      const name = path.posix.basename(address);
      return {
        run: number,
        address,
        name: document ? path.posix.basename(document.uri.path) : name,
        ...(content?.kind === 'open' && {
          content: { metadata: content.reader.metadata, tensors: content.reader.tensors },
        }),
        ...(shown && { problem: shown }),
      };
    });
  }

  /** @param run its number @returns why not, when it cannot be read; undefined when it is compared no more */
  readerOf(run: number): TraceReader | TraceProblem | undefined {
    const found = this.runs.find(({ number }) => number === run);
    const content = found?.document?.content;
    return content?.kind === 'open' ? content.reader : ((content && problemOf(content)) ?? found?.problem);
  }

  dispose(): void {
    this.disposed = true;
    this.changed.dispose();
    for (const { document } of this.runs) document?.dispose();
    this.runs = [];
  }

  private async replace(addresses: readonly string[]): Promise<void> {
    const runs = await Promise.all(
      addresses.map(async address => this.runs.find(run => run.address === address) ?? (await this.open(address))),
    );
    for (const run of this.runs) if (!runs.includes(run)) run.document?.dispose();
    this.runs = runs;
    // The panel was closed meanwhile.
    if (this.disposed) this.dispose();
  }

  private async open(address: string): Promise<ComparedRun> {
    const number = this.nextNumber++;
    let document: TraceDocument;
    try {
      document = await TraceDocument.open(vscode.Uri.parse(address, true), this.log);
    } catch (error) {
      return { number, address, problem: traceProblem(error) };
    }
    const run: ComparedRun = { number, address, document };
    document.onDidChange(() => {
      // Its slices are other ones now.
      run.number = this.nextNumber++;
      delete run.problem;
      this.changed.fire();
    });
    document.onDidVanish(() => {
      run.problem = {
        message: vscode.l10n.t('The file was deleted or moved.'),
        hint: vscode.l10n.t('What is loaded of it stays until it is removed from the comparison.'),
      };
      this.changed.fire();
    });
    return run;
  }
}

function problemOf(content: TraceContent): TraceProblem | undefined {
  if (content.kind === 'open') return undefined;
  if (content.kind === 'unreadable') return content.problem;
  return {
    message:
      content.kind === 'evaluation'
        ? vscode.l10n.t('This is an evaluation, not a run.')
        : vscode.l10n.t('This is traffic between ranks, not a run.'),
    hint: vscode.l10n.t('Remove it from the comparison; open it by itself to see its chart.'),
  };
}
