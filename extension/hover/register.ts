import path from 'node:path';
import * as vscode from 'vscode';
import { background } from '../background.ts';
import type { RunIndex } from '../runs/run-index.ts';
import { Settings } from '../settings/settings.ts';
import { imageReferenceAt } from './image-references.ts';
import { hoverLanguages } from './languages.ts';
import { questionLine } from './question-line.ts';
import type { ReferencePlace } from './reference-paths.ts';

export interface HoverServices {
  /** One index for the window; making it loads the reader of traces, so it is asked for late. */
  readonly index: { get(): Promise<RunIndex> };
  readonly log: vscode.LogOutputChannel;
  readonly openTrace: (trace: vscode.Uri) => Promise<void>;
  /** Whether the extension has a command that compares two runs. */
  readonly canCompare: boolean;
}

/** A document on a disk that does not answer must not hold up the other hovers. */
const longestWait = 1_000;
/** Images of a visible document whose cards are read ahead. */
const mostPrepared = 10;

const selector: vscode.DocumentSelector = ['file', 'untitled', 'vscode-notebook-cell'].flatMap(scheme =>
  hoverLanguages.map(language => ({ scheme, language })),
);

/** Hovers and CodeLenses on image references. What they need is loaded when the first reference is met. */
export function registerHover(services: HoverServices): vscode.Disposable {
  const changed = new vscode.EventEmitter<void>();
  const parts = once(async () => {
    const [{ RunHovers }, { RunLenses }, { ImageDigests }, index] = await Promise.all([
      import('./run-hovers.ts'),
      import('./run-lenses.ts'),
      import('./image-digests.ts'),
      services.index.get(),
    ]);
    index.onDidChange(() => {
      changed.fire();
    });
    const digests = new ImageDigests();
    return {
      hovers: new RunHovers(index, digests, services.log, services.canCompare),
      lenses: new RunLenses(index, digests),
    };
  });
  return vscode.Disposable.from(
    changed,
    vscode.languages.registerHoverProvider(selector, {
      provideHover: async (document, position, token) => {
        const asked = performance.now();
        if (!new Settings(document.uri).hoverEnabled) return undefined;
        const { text } = document.lineAt(position.line);
        const question = document.uri.scheme === 'file' ? questionLine(text, document.languageId) : undefined;
        const pointed = imageReferenceAt(text, position.character, document.languageId);
        const reference = question
          ? { text: question.image, start: text.search(/\S/), end: text.trimEnd().length }
          : pointed;
        if (!reference) return undefined;
        const place = placeOf(document);
        const work = parts().then(({ hovers }) =>
          question
            ? hovers.showQuestion({ ...question, onImage: pointed !== undefined }, document.uri.fsPath, place, token)
            : hovers.show(reference.text, place, token),
        );
        const hover = await withinTime(work, token).catch((error: unknown) => {
          // The image vanished while it was read, or may not be read: there is nothing to say about it.
          services.log.debug(`No hover on ${reference.text}: ${String(error)}`);
        });
        services.log.debug(`Hover on ${reference.text}: ${(performance.now() - asked).toFixed(1)} ms`);
        if (!hover) return undefined;
        hover.range = new vscode.Range(position.line, reference.start, position.line, reference.end);
        return hover;
      },
    }),
    vscode.languages.registerCodeLensProvider(selector, {
      onDidChangeCodeLenses: changed.event,
      provideCodeLenses: async (document, token) => {
        const { hoverEnabled, codeLensEnabled } = new Settings(document.uri);
        if (!hoverEnabled && !codeLensEnabled) return [];
        const { hovers, lenses } = await parts();
        const place = placeOf(document);
        let prepared = 0;
        const found = await lenses.of(document, place, token, image => {
          if (hoverEnabled && prepared++ < mostPrepared) background(hovers.prepare(image, place), services.log);
        });
        return codeLensEnabled ? found : [];
      },
    }),
    vscode.workspace.onDidChangeConfiguration(event => {
      if (event.affectsConfiguration('fovea.codeLens.enabled')) changed.fire();
    }),
    vscode.commands.registerCommand('fovea.showRunsOfImage', async (digest: unknown) => {
      if (typeof digest !== 'string') return;
      const { pickRun } = await import('./pick-run.ts');
      const run = await pickRun(await (await services.index.get()).byImageDigest(digest));
      if (run) await services.openTrace(run);
    }),
  );
}

function placeOf({ uri, languageId }: vscode.TextDocument): ReferencePlace {
  const roots = vscode.workspace.workspaceFolders ?? [];
  return {
    // A cell's address has the path of its notebook.
    folder: uri.scheme === 'untitled' ? undefined : path.dirname(uri.fsPath),
    roots: roots.filter(({ uri }) => uri.scheme === 'file').map(({ uri }) => uri.fsPath),
    language: languageId,
  };
}

/** What is made at the first call and kept; made again when that failed. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}

/** Nothing instead of the result when that comes too late or nobody waits any more. */
async function withinTime<T>(work: Promise<T>, token: vscode.CancellationToken): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  let listener: vscode.Disposable | undefined;
  const given = new Promise<undefined>(resolve => {
    const stop = (): void => {
      resolve(undefined);
    };
    timer = setTimeout(stop, longestWait);
    listener = token.onCancellationRequested(stop);
  });
  try {
    return await Promise.race([work, given]);
  } finally {
    clearTimeout(timer);
    listener?.dispose();
  }
}
