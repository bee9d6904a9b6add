/** The files that a checkpoint is read from, so that a run can say which they were. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface StoredFile {
  /** Below the model's folder, as it is called there. */
  readonly name: string;
  /** Absolute path. */
  readonly path: string;
}

/** Of all that a folder of Hugging Face may hold, what is read besides weights. */
const configurationNames = [
  'config.json',
  'generation_config.json',
  'model.safetensors.index.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
  'chat_template.json',
  'preprocessor_config.json',
  'processor_config.json',
];
const towerConfigurationNames = ['config.json', 'preprocessor_config.json', 'processor_config.json'];
const towerPrefix = 'vision_tower/';

/** Those that are there, of the checkpoint and of a vision tower that lies elsewhere. */
export async function configurationFiles(folder: string, towerFolder: string | undefined): Promise<StoredFile[]> {
  const own = await present(folder, configurationNames);
  return towerFolder === undefined ? own : [...own, ...towerFiles(await present(towerFolder, towerConfigurationNames))];
}

/** Names of a vision tower's files, told from the checkpoint's own. */
export function towerFiles(files: readonly StoredFile[]): StoredFile[] {
  return files.map(({ name, path }) => ({ name: towerPrefix + name, path }));
}

async function present(folder: string, names: readonly string[]): Promise<StoredFile[]> {
  const there = new Set(await readdir(folder));
  return names.filter(name => there.has(name)).map(name => ({ name, path: join(folder, name) }));
}

/** Another one when the file was written or replaced. @throws errors of the file system */
export async function fileStamp(path: string): Promise<string> {
  const { ino, size, mtimeMs, ctimeMs } = await stat(path);
  return [ino, size, mtimeMs, ctimeMs].join('/');
}
