/** What a run was made from, if it is still the same. */
import { foreignShares } from '../../trace/network-path.ts';
import { openCheckpoint } from '../checkpoint/checkpoint.ts';
import { FoveaError } from '../errors.ts';
import { imagesDigest } from '../image/images-digest.ts';
import { bundledModelFolder } from '../models.ts';

/** A run may come from anybody: what it names on another computer is opened there only if the user names it, too. */
export function requireHere(path: string, option: string): void {
  const [share] = foreignShares([path], undefined);
  if (share === undefined) return;
  throw new FoveaError(
    'usage',
    `The run names a file on another computer, ${path}, which is not opened for that alone.`,
    `If you know where the run comes from, name the file with ${option}.`,
  );
}

export interface RecordedModel {
  readonly folder: string;
  readonly bundled: boolean;
  readonly digest: string;
}

export interface NamedModel {
  readonly modelFolder: string | undefined;
  readonly visionTower?: string | undefined;
}

/** @returns its folder now @throws FoveaError `checkpoint-missing` for another one, `usage` for one on another computer */
export async function sameModel(model: RecordedModel, { modelFolder, visionTower }: NamedModel): Promise<string> {
  if (modelFolder === undefined && !model.bundled) requireHere(model.folder, '--model DIR');
  const folder = modelFolder ?? (model.bundled ? bundledModelFolder() : model.folder);
  const { digest } = await openCheckpoint(folder, visionTower);
  if (digest === model.digest) return folder;
  throw new FoveaError(
    'checkpoint-missing',
    `${folder} is not the model of the run: its digest is ${digest}, and was ${model.digest}.`,
    'With --model DIR, name the folder of the model as it was.',
  );
}

/** @param path of a file, or of a folder of frames @param digest as recorded @throws FoveaError `image-unreadable` */
export async function requireSameImages(path: string, digest: string): Promise<void> {
  const hint = 'With --image FILE, name the image as it was.';
  let now: string;
  try {
    now = await imagesDigest(path);
  } catch (error) {
    throw new FoveaError('image-unreadable', `The image ${path} cannot be read.`, hint, { cause: error });
  }
  if (now === digest) return;
  const message = `${path} is not the image of the run: its SHA-256 is ${now}, and was ${digest}.`;
  throw new FoveaError('image-unreadable', message, hint);
}
