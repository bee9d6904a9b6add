/** The model that a run was made with, if it is still the same, file by file. */
import { differingFiles, type FileDifference, type ModelIdentity } from '../../trace/model-files.ts';
import { filesBeside, type MethodWeights } from '../analysis/method-weights.ts';
import { type Checkpoint, openCheckpoint } from '../checkpoint/checkpoint.ts';
import { FileDigests } from '../checkpoint/file-digests.ts';
import { FoveaError } from '../errors.ts';
import { bundledModelFolder } from '../models.ts';
import { requireHere } from './same-images.ts';

export interface NamedModel {
  readonly modelFolder: string | undefined;
  readonly visionTower?: string | undefined;
  readonly signal?: AbortSignal;
}

/** Opens what the run reads beside the model itself. */
export type WeightsOfRun = (checkpoint: Checkpoint) => Promise<MethodWeights>;

export interface FoundModel {
  /** Where it is now. */
  readonly folder: string;
  /** What of it is not as it was, for the reader: "xattn.safetensors: SHA-256 …, was …". */
  readonly changed: readonly string[];
}

/** @throws FoveaError `checkpoint-missing` and the like, `cancelled`, `usage` for one on another computer */
export async function findModel(
  recorded: ModelIdentity,
  { modelFolder, visionTower, signal }: NamedModel,
  weightsOf: WeightsOfRun,
): Promise<FoundModel> {
  if (modelFolder === undefined && !recorded.bundled) requireHere(recorded.folder, '--model DIR');
  const folder = modelFolder ?? (recorded.bundled ? bundledModelFolder() : recorded.folder);
  const checkpoint = await openCheckpoint(folder, visionTower);
  if (recorded.files) {
    const used = [...checkpoint.files, ...filesBeside(await weightsOf(checkpoint))];
    const differences = differingFiles(recorded.files, await new FileDigests().of(used, signal));
    if (differences.length > 0) return { folder, changed: differences.map(differenceWords) };
  }
  const { digest } = checkpoint;
  return { folder, changed: digest === recorded.digest ? [] : [`its digest is ${digest}, and was ${recorded.digest}`] };
}

/** @returns its folder now @throws FoveaError as `findModel`, and `checkpoint-missing` for one that is not as it was */
export async function sameModel(recorded: ModelIdentity, named: NamedModel, weightsOf: WeightsOfRun): Promise<string> {
  const { folder, changed } = await findModel(recorded, named, weightsOf);
  if (changed.length === 0) return folder;
  throw new FoveaError(
    'checkpoint-missing',
    `${folder} is not the model of the run: ${changed.join('; ')}.`,
    'With --model DIR, name the folder of the model as it was.',
  );
}

function differenceWords({ name, before, now }: FileDifference): string {
  if (now === undefined) return `${name} is not read any more, and its SHA-256 was ${before ?? 'unknown'}`;
  if (before === undefined) return `${name} was not read then`;
  return `the SHA-256 of ${name} is ${now}, and was ${before}`;
}

/** For the list of what is not as it was; undefined for a trace that says which files it read. */
export function unknownFiles({ files }: ModelIdentity): string | undefined {
  return files ? undefined : 'contents of the model’s files: perhaps; only their headers were recorded';
}
