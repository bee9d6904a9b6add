import * as vscode from 'vscode';
import type { RunIndex } from '../runs/run-index.ts';
import type { ImageDigests } from './image-digests.ts';
import { imageReferences } from './image-references.ts';
import { type ImageRuns, runsOfReference } from './image-runs.ts';
import type { ReferencePlace } from './reference-paths.ts';

const mostLines = 2_000;
const mostCharacters = 2_000_000;
/** Different references of a document; every one is looked up on disk. */
const mostReferences = 300;

/** "Fovea: 3 runs" above the lines that refer to an image with runs. */
export class RunLenses {
  constructor(
    private readonly index: RunIndex,
    private readonly digests: ImageDigests,
  ) {}

  /** @param met gets each image with runs, once for each way in which the document refers to it */
  async of(
    document: vscode.TextDocument,
    place: ReferencePlace,
    token: vscode.CancellationToken,
    met: (found: ImageRuns) => void,
  ): Promise<vscode.CodeLens[]> {
    if ((await this.index.list()).length === 0) return [];
    const lenses: vscode.CodeLens[] = [];
    const known = new Map<string, ImageRuns | undefined>();
    let characters = 0;
    for (let line = 0; line < Math.min(document.lineCount, mostLines); line++) {
      const { text } = document.lineAt(line);
      characters += text.length;
      if (characters > mostCharacters) break;
      // A line that names an image twice, as text and as link, gets one.
      const digests = new Set<string>();
      for (const reference of imageReferences(text, document.languageId)) {
        if (!known.has(reference.text)) {
          if (known.size >= mostReferences) continue;
          const found = await this.lookUp(reference.text, place);
          known.set(reference.text, found);
          if (found && found.runs.length > 0) met(found);
          if (token.isCancellationRequested) return [];
        }
        const [newest, ...older] = known.get(reference.text)?.runs ?? [];
        if (!newest || digests.has(newest.metadata.image.digest)) continue;
        const { digest } = newest.metadata.image;
        digests.add(digest);
        const range = new vscode.Range(line, reference.start, line, reference.end);
        lenses.push(
          new vscode.CodeLens(
            range,
            older.length === 0
              ? {
                  title: vscode.l10n.t('Fovea: 1 run'),
                  command: 'fovea.openTrace',
                  arguments: [vscode.Uri.file(newest.path)],
                }
              : {
                  title: vscode.l10n.t('Fovea: {0} runs', older.length + 1),
                  command: 'fovea.showRunsOfImage',
                  arguments: [digest],
                },
          ),
        );
      }
    }
    return lenses;
  }

  private async lookUp(text: string, place: ReferencePlace): Promise<ImageRuns | undefined> {
    try {
      return await runsOfReference(text, place, this.index, this.digests);
    } catch {
      // The image vanished while it was read: there is nothing to say about it.
      return undefined;
    }
  }
}
