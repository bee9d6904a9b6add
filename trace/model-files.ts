/** The files of a model that a run was made with: configuration, tokenizer, weights, and what its method read beside them. */
import { type Check, fail, list, text } from './field-checks.ts';
import { isRecord } from './safetensors.ts';

export interface ModelFile {
  /** Below the model's folder; those of a vision tower that lies elsewhere start with "vision_tower/". */
  readonly name: string;
  /** sha256 of the file's bytes, hex. */
  readonly digest: string;
}

/** Which model something was made with, for whoever makes it again. */
export interface ModelIdentity {
  readonly name: string;
  readonly folder: string;
  /** True for the model that comes with Fovea, which knows rendered scenes only. */
  readonly bundled: boolean;
  /** sha256 of config.json and of the header of every weight file, hex. */
  readonly digest: string;
  /** Every file that it was made with, under any of its conditions; absent where the producer did not say. */
  readonly files?: readonly ModelFile[];
}

/** One that is not the same on both sides; a digest is absent where there is no such file. */
export interface FileDifference {
  readonly name: string;
  readonly before?: string;
  readonly now?: string;
}

/** In the order of the names. */
export function differingFiles(before: readonly ModelFile[], now: readonly ModelFile[]): FileDifference[] {
  const [first, second] = [digestsByName(before), digestsByName(now)];
  return [...new Set([...first.keys(), ...second.keys()])].sort().flatMap((name): FileDifference[] => {
    const [then, after] = [first.get(name), second.get(name)];
    if (then === after) return [];
    return [{ name, ...(then !== undefined && { before: then }), ...(after !== undefined && { now: after }) }];
  });
}

type WithFiles = Pick<ModelIdentity, 'files'>;

/**
 * Names of the files that two runs both read, each another version of them. What only one of their methods needs makes no other model,
 * and a run that does not say what it read has none.
 */
export function filesOfOtherContent({ files: a = [] }: WithFiles, { files: b = [] }: WithFiles): string[] {
  return differingFiles(a, b)
    .filter(({ before, now }) => before !== undefined && now !== undefined)
    .map(({ name }) => name);
}

function digestsByName(files: readonly ModelFile[]): ReadonlyMap<string, string> {
  return new Map(files.map(({ name, digest }) => [name, digest]));
}

export const modelFiles: Check = (value, path) => {
  list(value, path);
  (value as unknown[]).forEach((file, index) => {
    if (!isRecord(file)) return fail(`${path}[${index}]`, 'is not an object');
    text(file['name'], `${path}[${index}].name`);
    text(file['digest'], `${path}[${index}].digest`);
  });
};
