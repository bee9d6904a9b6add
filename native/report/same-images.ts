/** The images that a run was made from, if they are still the same. */
import { foreignShares } from '../../trace/network-path.ts';
import { FoveaError } from '../errors.ts';
import { imagesDigest } from '../image/images-digest.ts';

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
