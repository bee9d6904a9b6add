/** The small files beside a checkpoint's weights: tokenizer, processor and template, each of which may be absent. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FoveaError } from './errors.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** Text of a file in the folder; `undefined` where there is none. @throws FoveaError `checkpoint-malformed` */
export async function readCheckpointText(folder: string, name: string): Promise<string | undefined> {
  try {
    return await readFile(join(folder, name), 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    throw new FoveaError(
      'checkpoint-malformed',
      `${name} of the model cannot be read: ${reason}.`,
      `Check that you may read the files in ${folder}.`,
      { cause: error },
    );
  }
}

/** The object in a JSON file; `undefined` where there is no such file. @throws FoveaError `checkpoint-malformed` */
export async function readCheckpointJson(folder: string, name: string): Promise<JsonObject | undefined> {
  const text = await readCheckpointText(folder, name);
  if (text === undefined) return undefined;
  const hint = 'Download the file again; a half-finished download or a Git LFS pointer looks like this.';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new FoveaError('checkpoint-malformed', `${name} of the model is not valid JSON: ${reason}.`, hint, {
      cause: error,
    });
  }
  if (!isJsonObject(value)) throw new FoveaError('checkpoint-malformed', `${name} holds no JSON object.`, hint);
  return value;
}
