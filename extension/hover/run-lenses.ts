import * as vscode from 'vscode';
import type { RunIndex } from '../runs/run-index.ts';
import { ImageDigests } from './image-digests.ts';
import { imageReferences } from './image-references.ts';
import { type ImageRuns, runsOfReference } from './image-runs.ts';
import type { ReferencePlace } from './reference-paths.ts';

const mostLines = 2_000;
const mostCharacters = 2_000_000;
/** Different references of a document; every one is looked up on disk. */
const mostReferences = 300;

/** "Fovea: 3 runs" above the lines that refer to an image with runs. */
export class RunLenses {
  private readonly digests = new ImageDigests();

  constructor(private readonly index: RunIndex) {}

  async of(
    document: vscode.TextDocument,
    place: ReferencePlace,
    token: vscode.CancellationToken,
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
          known.set(reference.text, await this.lookUp(reference.text, place));
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
