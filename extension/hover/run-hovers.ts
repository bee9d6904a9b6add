import * as vscode from 'vscode';
import type { RunIndex } from '../runs/run-index.ts';
import { type CardLink, hoverCard } from './hover-card.ts';
import type { ImageDigests } from './image-digests.ts';
import { type ImageRuns, runsOfReference } from './image-runs.ts';
import type { ReferencePlace } from './reference-paths.ts';
import { RunDetailsCache } from './run-details.ts';

const offeredCommands = ['fovea.openTrace', 'fovea.showRunsOfImage', 'fovea.analyzeImage'] as const;

/** Cards for images that were analysed. Reads traces; never runs a model. */
export class RunHovers {
  private readonly details = new RunDetailsCache();

  constructor(
    private readonly index: RunIndex,
    private readonly digests: ImageDigests,
    private readonly log: vscode.LogOutputChannel,
  ) {}

  async show(text: string, place: ReferencePlace, token: vscode.CancellationToken): Promise<vscode.Hover | undefined> {
    const found = await runsOfReference(text, place, this.index, this.digests);
    if (!found) return undefined;
    const card = (await this.newestCard(found, place, token)) ?? invitation(found);
    return card === undefined || token.isCancellationRequested ? undefined : new vscode.Hover(card);
  }

  /** Reads what a hover on this image will show, so that the first one is as quick as the next. */
  async prepare(found: ImageRuns, place: ReferencePlace): Promise<void> {
    await this.newestCard(found, place);
  }

  /** Of the newest run whose trace can still be read. */
  private async newestCard(
    found: ImageRuns,
    place: ReferencePlace,
    token?: vscode.CancellationToken,
  ): Promise<vscode.MarkdownString | undefined> {
    for (const run of found.runs) {
      if (token?.isCancellationRequested) return undefined;
      try {
        const text = hoverCard({
          run,
          details: await this.details.get(run),
          links: runLinks(found, vscode.Uri.file(run.path)),
          // VS Code shows the picture of a Markdown image itself.
          withThumbnail: place.language !== 'markdown',
          locale: vscode.env.language,
          now: new Date(),
          translate: (message, ...values) => vscode.l10n.t(message, ...values),
        });
        return markdown(text);
      } catch (error) {
        this.log.debug(`No hover from ${run.path}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    return undefined;
  }
}

function runLinks({ image, runs }: ImageRuns, trace: vscode.Uri): CardLink[] {
  if (!vscode.workspace.isTrusted) return [];
  const digest = runs[0]?.metadata.image.digest;
  return [
    { label: vscode.l10n.t('Open'), target: commandLink('fovea.openTrace', trace) },
    ...(runs.length > 1
      ? [{ label: vscode.l10n.t('All {0} Runs…', runs.length), target: commandLink('fovea.showRunsOfImage', digest) }]
      : []),
    {
      label: vscode.l10n.t('Ask Another Question…'),
      target: commandLink('fovea.analyzeImage', vscode.Uri.file(image.path)),
    },
  ];
}

/** For an image without runs: its size and picture are shown by VS Code itself. */
function invitation({ image }: ImageRuns): vscode.MarkdownString | undefined {
  if (!vscode.workspace.isTrusted) return undefined;
  const target = commandLink('fovea.analyzeImage', vscode.Uri.file(image.path));
  return markdown(`[${vscode.l10n.t('Fovea: Analyze Image…')}](${target})`);
}

function markdown(text: string): vscode.MarkdownString {
  const value = new vscode.MarkdownString(text);
  value.supportHtml = true;
  if (vscode.workspace.isTrusted) value.isTrusted = { enabledCommands: [...offeredCommands] };
  return value;
}

function commandLink(command: (typeof offeredCommands)[number], argument: unknown): string {
  // What encodeURIComponent leaves alone would end a Markdown link.
  const encoded = encodeURIComponent(JSON.stringify([argument])).replace(
    /[!'()*]/g,
    character => `%${character.charCodeAt(0).toString(16)}`,
  );
  return `command:${command}?${encoded}`;
}
