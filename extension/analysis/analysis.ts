import path from 'node:path';
import * as vscode from 'vscode';
import { showInformationMessage, showWarningMessage } from '../notifications.ts';
import type { MethodRequest } from '../../native/rpc.ts';
import { traceExtension } from '../../trace/schema.ts';
import { background } from '../background.ts';
import { isImageFile } from '../image-files.ts';
import { offerRemedies } from './failure-notice.ts';
import { agreesToOpen } from './network-consent.ts';
import { pickImage } from './image-picker.ts';
import { QuestionPicker } from './question-picker.ts';
import { severalImagesMethod } from './run-order.ts';
import { asksTogether, inOrderOfNames } from './together.ts';
import { runAnalysis, type RunOrder, type RunServices } from './run.ts';

const lastRunKey = 'lastRun';

interface LastRun {
  readonly image: string;
  readonly question: string;
}

export interface AnalysisServices extends RunServices {
  readonly context: vscode.ExtensionContext;
  readonly log: vscode.LogOutputChannel;
  /** The image of the trace that is open in the active editor, or of the trace at this address. */
  readonly imageOfTrace: (trace?: vscode.Uri) => vscode.Uri | 'unknown' | undefined;
  readonly openTrace: (trace: vscode.Uri) => Promise<void>;
}

/** The flow from an image and a question to an open trace. */
export class Analysis {
  private readonly questions: QuestionPicker;

  constructor(private readonly services: AnalysisServices) {
    this.questions = new QuestionPicker(services.context.workspaceState);
  }

  /**
   * @param image asked for when missing, e.g. from the command palette
   * @param question a text when called by other code; the Explorer passes its whole selection here instead
   * @param method all visual tokens run without one
   * @returns the finished traces
   */
  async analyzeImage(image?: unknown, question?: unknown, method?: MethodRequest): Promise<vscode.Uri[]> {
    if (!trusted()) return [];
    const images = await this.imagesFrom(image, question);
    const first = images[0];
    if (!first) return [];
    const name = images.length === 1 ? path.basename(first.fsPath) : vscode.l10n.t('{0} images', images.length);
    const asked =
      typeof question === 'string' && question.trim() !== '' ? question.trim() : await this.questions.ask(name);
    return asked === undefined ? [] : this.analyzeAll(images, asked, method && { method });
  }

  /** Asks another question about the image of a trace, or of the last run. */
  async askAgain(trace?: unknown): Promise<vscode.Uri[]> {
    if (!trusted()) return [];
    const image = await this.imageOfRun(trace instanceof vscode.Uri ? trace : undefined, this.lastImage());
    return image ? this.analyzeImage(image === 'none' ? undefined : image) : [];
  }

  /** @param named an image or a trace; without one the image of the run in front is meant, or one is asked for */
  async analyzeWithMethod(named: unknown, question: unknown, method: MethodRequest): Promise<vscode.Uri[]> {
    if (!trusted()) return [];
    const resource = named instanceof vscode.Uri ? named : undefined;
    if (resource && !resource.path.endsWith(traceExtension)) return this.analyzeImage(resource, question, method);
    const image = await this.imageOfRun(resource);
    return image ? this.analyzeImage(image === 'none' ? undefined : image, question, method) : [];
  }

  /**
   * The image and question of a trace once more, as it ran but for the method.
   * @returns undefined when there is no image, or the run failed or was cancelled; the user has been told
   */
  async runAgain(trace: vscode.Uri, question: string, order: RunOrder): Promise<vscode.Uri | undefined> {
    if (!trusted()) return undefined;
    const shown = this.services.imageOfTrace(trace) ?? 'unknown';
    const { modelFolder = '', sources = [] } = order;
    if (!(await agreesToOpen([...pathsOf(shown), modelFolder, ...sources], trace))) return undefined;
    const image = await this.foundImage(shown);
    return image && this.analyzeOne(image, question, order);
  }

  /** @returns `none` when no run is open and there is no other image; undefined when the user left */
  private async imageOfRun(
    trace: vscode.Uri | undefined,
    otherwise?: vscode.Uri,
  ): Promise<vscode.Uri | 'none' | undefined> {
    const shown = this.services.imageOfTrace(trace);
    if (!(await agreesToOpen(pathsOf(shown), trace))) return undefined;
    const image = shown ?? otherwise;
    return image ? this.foundImage(image) : 'none';
  }

  /** The image if it is where it was, or the one that the user chooses in its place. */
  private async foundImage(image: vscode.Uri | 'unknown'): Promise<vscode.Uri | undefined> {
    if (image !== 'unknown' && (await exists(image))) return image;
    const choose = vscode.l10n.t('Choose Image…');
    const message =
      image === 'unknown'
        ? vscode.l10n.t('This trace does not say where its image is on this machine. Choose the image to ask about.')
        : vscode.l10n.t('The image of this run is no longer at {0}. Choose where it is now.', image.fsPath);
    if ((await showWarningMessage(message, choose)) !== choose) return undefined;
    const picked = await pickImage(this.services.context.extensionUri);
    return picked && onDisk([picked])[0];
  }

  private async imagesFrom(image: unknown, selection: unknown): Promise<vscode.Uri[]> {
    if (!(image instanceof vscode.Uri)) {
      const picked = await pickImage(this.services.context.extensionUri);
      return picked ? onDisk([picked]) : [];
    }
    const selected: unknown[] = Array.isArray(selection) ? selection : [];
    const images = selected.filter((uri): uri is vscode.Uri => uri instanceof vscode.Uri && isImageFile(uri.path));
    return onDisk(images.length > 1 ? images : [image]);
  }

  private async analyzeAll(
    images: readonly vscode.Uri[],
    question: string,
    order: RunOrder | undefined,
  ): Promise<vscode.Uri[]> {
    if (images.length > 1 && order?.method?.name === severalImagesMethod) {
      const together = await asksTogether(images.length);
      if (together === undefined) return [];
      const frames = inOrderOfNames(images);
      const sources = frames.map(({ fsPath }) => fsPath);
      if (together) {
        const trace = await this.analyzeOne(frames[0]!, question, { ...order, sources });
        return trace ? [trace] : [];
      }
    }
    const traces: vscode.Uri[] = [];
    for (const image of images) {
      const trace = await this.analyzeOne(image, question, order);
      if (!trace) break;
      traces.push(trace);
    }
    return traces;
  }

  /** @returns undefined when the run failed or was cancelled; the user has been told */
  private async analyzeOne(
    image: vscode.Uri,
    question: string,
    order: RunOrder | undefined,
  ): Promise<vscode.Uri | undefined> {
    const { context, log, openTrace } = this.services;
    const run: LastRun = { image: image.toString(), question };
    await context.workspaceState.update(lastRunKey, run);
    log.info(`Analyzing ${image.fsPath}: ${question}`);
    try {
      const outcome = await runAnalysis(this.services, image, question, order);
      if (outcome.kind === 'finished') {
        const { tracePath, answer, ms } = outcome.result;
        log.info(`Answer after ${Math.round(ms.total)} ms: ${answer} (${tracePath})`);
        const trace = vscode.Uri.file(tracePath);
        await openTrace(trace);
        return trace;
      }
      log.info('Cancelled.');
      if (outcome.result) background(this.offerPartial(vscode.Uri.file(outcome.result.tracePath)), log);
    } catch (error) {
      log.error(error instanceof Error ? error : String(error));
      const retries = {
        tryAgain: () => this.analyzeAll([image], question, order),
        askAgain: () => this.analyzeImage(image, undefined, order?.method),
        chooseMethod: async () => vscode.commands.executeCommand('fovea.analyzeWithMethod', image, question),
      };
      background(offerRemedies(error, log, retries), log);
    }
    return undefined;
  }

  private async offerPartial(trace: vscode.Uri): Promise<void> {
    const open = vscode.l10n.t('Open What Was Computed');
    const message = vscode.l10n.t('The analysis was cancelled. What it computed until then was kept.');
    if ((await showInformationMessage(message, open)) === open) await this.services.openTrace(trace);
  }

  private lastImage(): vscode.Uri | undefined {
    const last = this.services.context.workspaceState.get<Partial<LastRun>>(lastRunKey);
    return typeof last?.image === 'string' ? vscode.Uri.parse(last.image) : undefined;
  }
}

/** Menus hide what cannot run, but other extensions and keybindings may still call a command. */
export function trusted(): boolean {
  if (vscode.workspace.isTrusted) return true;
  const manage = vscode.l10n.t('Manage Workspace Trust');
  void showWarningMessage(
    vscode.l10n.t('Running a model needs a trusted workspace. Viewing traces works without.'),
    manage,
  ).then(answer => (answer === manage ? vscode.commands.executeCommand('workbench.trust.manage') : undefined));
  return false;
}

function pathsOf(image: vscode.Uri | 'unknown' | undefined): string[] {
  return image instanceof vscode.Uri ? [image.fsPath] : [];
}

function onDisk(images: readonly vscode.Uri[]): vscode.Uri[] {
  const elsewhere = images.find(({ scheme }) => scheme !== 'file');
  if (!elsewhere) return [...images];
  void showWarningMessage(
    vscode.l10n.t(
      '{0} is not a file on this machine. Save a copy to a folder and analyze that.',
      path.posix.basename(elsewhere.path),
    ),
  );
  return [];
}

async function exists(uri: vscode.Uri): Promise<boolean> {
  try {
    await vscode.workspace.fs.stat(uri);
    return true;
  } catch {
    return false;
  }
}
