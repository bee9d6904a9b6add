import * as vscode from 'vscode';
import type { RunIndex, RunSummary } from '../runs/run-index.ts';
import { type CardLink, hoverCard, resultLines } from './hover-card.ts';
import type { ImageDigests } from './image-digests.ts';
import { type ImageRuns, runsOfReference } from './image-runs.ts';
import type { QuestionLine } from './question-line.ts';
import { type ConditionResult, QuestionResults } from './question-results.ts';
import type { ReferencePlace } from './reference-paths.ts';
import { RunDetailsCache } from './run-details.ts';

const offeredCommands = [
  'fovea.openTrace',
  'fovea.showRunsOfImage',
  'fovea.analyzeImage',
  'fovea.compareRuns',
] as const;
type OfferedCommand = (typeof offeredCommands)[number];

const translate = (message: string, ...values: string[]): string => vscode.l10n.t(message, ...values);

/** Cards for images that were analysed. Reads traces; never runs a model. */
export class RunHovers {
  private readonly details = new RunDetailsCache();
  private readonly results = new QuestionResults();

  /** @param canCompare whether there is a command that compares two runs */
  constructor(
    private readonly index: RunIndex,
    private readonly digests: ImageDigests,
    private readonly log: vscode.LogOutputChannel,
    private readonly canCompare: boolean,
  ) {}

  async show(text: string, place: ReferencePlace, token: vscode.CancellationToken): Promise<vscode.Hover | undefined> {
    const found = await runsOfReference(text, place, this.index, this.digests);
    if (!found) return undefined;
    const card = (await this.newestCard(found, place, { token })) ?? invitation(found);
    return card === undefined || token.isCancellationRequested ? undefined : new vscode.Hover(card);
  }

  /**
   * For a line of a question set: the newest run of this question on its image, and what evaluations say of it. On the image's
   * path, a run of another question will do.
   * @param set path of the document
   */
  async showQuestion(
    line: QuestionLine & { readonly onImage: boolean },
    set: string,
    place: ReferencePlace,
    token: vscode.CancellationToken,
  ): Promise<vscode.Hover | undefined> {
    const [found, results] = await Promise.all([
      runsOfReference(line.image, place, this.index, this.digests),
      this.results.of(line, set, place.roots),
    ]);
    if (!found) return undefined;
    const asked = line.question.trim();
    const same = found.runs.filter(({ metadata }) => metadata.question.trim() === asked);
    const runs = same.length === 0 && line.onImage ? found.runs : same;
    const card =
      (await this.newestCard({ ...found, runs }, place, { token, results })) ?? invitation(found, line, results);
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
    { token, results }: { token?: vscode.CancellationToken; results?: readonly ConditionResult[] } = {},
  ): Promise<vscode.MarkdownString | undefined> {
    for (const run of found.runs) {
      if (token?.isCancellationRequested) return undefined;
      try {
        const text = hoverCard({
          run,
          details: await this.details.get(run),
          links: this.links(found, run),
          ...(results && { results }),
          // VS Code shows the picture of a Markdown image itself.
          withThumbnail: place.language !== 'markdown',
          locale: vscode.env.language,
          now: new Date(),
          translate,
        });
        return markdown(text);
      } catch (error) {
        this.log.debug(`No hover from ${run.path}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    return undefined;
  }

  private links({ image, runs }: ImageRuns, run: RunSummary): CardLink[] {
    if (!vscode.workspace.isTrusted) return [];
    const trace = vscode.Uri.file(run.path);
    const other = runs.find(each => each !== run);
    return [
      { label: vscode.l10n.t('Open'), target: commandLink('fovea.openTrace', trace) },
      ...(runs.length > 1
        ? [
            {
              label: vscode.l10n.t('All {0} Runs…', runs.length),
              target: commandLink('fovea.showRunsOfImage', run.metadata.image.digest),
            },
          ]
        : []),
      ...(other && this.canCompare
        ? [
            {
              label: vscode.l10n.t('Compare'),
              target: commandLink('fovea.compareRuns', [trace, vscode.Uri.file(other.path)]),
            },
          ]
        : []),
      {
        label: vscode.l10n.t('Ask Another Question…'),
        target: commandLink('fovea.analyzeImage', vscode.Uri.file(image.path)),
      },
    ];
  }
}

/** For an image without runs: its size and picture are shown by VS Code itself. */
function invitation(
  { image }: ImageRuns,
  line?: QuestionLine,
  results: readonly ConditionResult[] = [],
): vscode.MarkdownString | undefined {
  const said = resultLines(results, { translate });
  const uri = vscode.Uri.file(image.path);
  const link = line
    ? `[${vscode.l10n.t('Fovea: Ask This Question')}](${commandLink('fovea.analyzeImage', uri, line.question)})`
    : `[${vscode.l10n.t('Fovea: Analyze Image…')}](${commandLink('fovea.analyzeImage', uri)})`;
  const parts = [vscode.workspace.isTrusted ? link : '', said].filter(part => part !== '');
  return parts.length === 0 ? undefined : markdown(parts.join('\n\n'));
}

function markdown(text: string): vscode.MarkdownString {
  const value = new vscode.MarkdownString(text);
  value.supportHtml = true;
  if (vscode.workspace.isTrusted) value.isTrusted = { enabledCommands: [...offeredCommands] };
  return value;
}

function commandLink(command: OfferedCommand, ...values: readonly unknown[]): string {
  // What encodeURIComponent leaves alone would end a Markdown link.
  const encoded = encodeURIComponent(JSON.stringify(values)).replace(
    /[!'()*]/g,
    character => `%${character.charCodeAt(0).toString(16)}`,
  );
  return `command:${command}?${encoded}`;
}
