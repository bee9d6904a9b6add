import * as vscode from 'vscode';
import type { TraceReader } from '../../../trace/reader.ts';
import { openTrace } from '../../editor/trace-document.ts';
import type { ImageGroup } from './run-groups.ts';
import type { Picture } from './run-text.ts';
import { digestOfThumbnail, isDigest, mostThumbnailBytes, pictureKind, thumbnailEndings } from './thumbnail-file.ts';

const thumbnailTensor = 'image.thumbnail';
/** Runs of one image to look into: those of older versions or other software have no thumbnail. */
const mostRuns = 3;

/** Thumbnails of images as files, which is what VS Code shows as icons: written once per image, out of its traces. */
export class Thumbnails {
  private readonly files = new Map<string, vscode.Uri>();
  /** Without a thumbnail, by digest and newest run. */
  private readonly without = new Set<string>();
  private readonly asked = new Set<string>();
  private queue: Promise<void>;

  constructor(
    private readonly folder: vscode.Uri,
    private readonly log: vscode.LogOutputChannel,
    /** Called when the thumbnail of a group, which had none before, is there. */
    private readonly added: (digest: string) => void,
  ) {
    this.queue = this.findFiles();
  }

  /** What is known by now; the rest follows with `added`. */
  get({ digest, runs }: ImageGroup): vscode.Uri | undefined {
    const known = this.files.get(digest);
    const newest = `${digest} ${runs[0]?.path ?? ''}`;
    if (known || this.asked.has(digest) || this.without.has(newest) || !isDigest(digest)) return known;
    this.asked.add(digest);
    // One after the other: a list of a hundred images must not open a hundred files at once.
    this.queue = this.queue.then(async () => {
      try {
        if (!this.files.has(digest))
          await this.write(
            digest,
            runs.slice(0, mostRuns).map(({ path }) => path),
          );
      } catch (error) {
        this.log.debug(`No thumbnail of ${digest}: ${String(error)}`);
      }
      this.asked.delete(digest);
      if (this.files.has(digest)) this.added(digest);
      else this.without.add(newest);
    });
    return undefined;
  }

  private async findFiles(): Promise<void> {
    try {
      for (const [name] of await vscode.workspace.fs.readDirectory(this.folder)) {
        const digest = digestOfThumbnail(name);
        if (digest !== undefined) this.files.set(digest, vscode.Uri.joinPath(this.folder, name));
      }
    } catch {
      // Nothing was written yet.
    }
  }

  private async write(digest: string, traces: readonly string[]): Promise<void> {
    for (const path of traces) {
      const picture = await thumbnailIn(vscode.Uri.file(path));
      if (!picture) continue;
      const { ending } = pictureKind(picture.bytes) ?? { ending: thumbnailEndings[0]! };
      const file = vscode.Uri.joinPath(this.folder, `${digest}.${ending}`);
      await vscode.workspace.fs.writeFile(file, picture.bytes);
      this.files.set(digest, file);
      return;
    }
  }
}

async function thumbnailIn(trace: vscode.Uri): Promise<Picture | undefined> {
  const reader = await openTrace(trace);
  try {
    return await thumbnailOf(reader);
  } finally {
    await reader.close();
  }
}

/** The thumbnail that a trace keeps; undefined when it has none that can be shown. */
export async function thumbnailOf(reader: TraceReader): Promise<Picture | undefined> {
  const length = reader.tensors[thumbnailTensor]?.shape[0];
  if (length === undefined || length > mostThumbnailBytes) return undefined;
  const { data } = await reader.slice(thumbnailTensor);
  const kind = pictureKind(data);
  return kind && { mime: kind.mime, bytes: data };
}
