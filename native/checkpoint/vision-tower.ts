/** The vision tower of a checkpoint in LLaVA's own layout: often named only, as the code that made it downloads it anew. */
import { readdir, stat } from 'node:fs/promises';
import os from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { isJsonObject, type JsonObject, readCheckpointJson, readCheckpointText } from '../checkpoint-file.ts';
import { FoveaError } from '../errors.ts';
import { hasStoredTower, llavaTowerPrefix } from './find-weights.ts';
import type { LlavaLayout, TowerConfig } from './llava-layout.ts';
import { towerFiles } from './stored-file.ts';
import { readWeightFiles, type WeightFiles } from './weight-files.ts';

export interface VisionTower extends TowerConfig {
  readonly name: string;
  /** Its own checkpoint, where one was found. */
  readonly folder?: string;
}

const vitLarge = {
  model_type: 'clip_vision_model',
  hidden_size: 1024,
  intermediate_size: 4096,
  num_hidden_layers: 24,
  num_attention_heads: 16,
  patch_size: 14,
};
/** Configs of the towers that LLaVA was released with, by the last part of their names. */
const knownTowers: Readonly<Record<string, JsonObject>> = {
  'clip-vit-large-patch14-336': { ...vitLarge, image_size: 336 },
  'clip-vit-large-patch14': { ...vitLarge, image_size: 224 },
};

/**
 * @param folder of the checkpoint, absolute
 * @param given the tower's folder, or one in which it lies under the last part of its name
 * @throws FoveaError `checkpoint-missing` where its sizes are not known, `checkpoint-malformed` or `architecture-unsupported`
 */
export async function findVisionTower(
  folder: string,
  { towerName }: LlavaLayout,
  given: string | undefined,
): Promise<VisionTower> {
  const last = lastPart(towerName);
  const towerFolder = given === undefined ? await searchTower(folder, towerName, last) : await givenTower(given, last);
  if (towerFolder !== undefined) {
    return { name: towerName, folder: towerFolder, ...(await readTowerConfig(towerFolder)) };
  }
  const known = Object.hasOwn(knownTowers, last) ? knownTowers[last] : undefined;
  if (known) return { name: towerName, fields: known, source: towerName };
  throw missingTower(folder, towerName, last);
}

/**
 * The checkpoint's weights with the tower's, under the names that it would have among them.
 * @throws FoveaError `checkpoint-missing` or `checkpoint-malformed`
 */
export async function withTowerWeights(folder: string, own: WeightFiles, tower: VisionTower): Promise<WeightFiles> {
  if (hasStoredTower(own.index)) return own;
  if (tower.folder === undefined) throw missingTower(folder, tower.name, lastPart(tower.name));
  const { index, files, headerDigests } = await readWeightFiles(tower.folder);
  const renamed = [...index].map(([name, tensor]) => [llavaTowerPrefix + name, tensor] as const);
  return {
    index: new Map([...own.index, ...renamed]),
    files: [...own.files, ...towerFiles(files)],
    headerDigests: [
      ...own.headerDigests,
      (await readCheckpointText(tower.folder, 'config.json')) ?? '',
      ...headerDigests,
    ],
  };
}

/** @throws FoveaError `checkpoint-missing` */
async function givenTower(given: string, last: string): Promise<string> {
  const absolute = resolve(given);
  for (const candidate of [join(absolute, last), absolute]) if (await hasConfig(candidate)) return candidate;
  throw new FoveaError(
    'checkpoint-missing',
    `There is no config.json in ${absolute}, which is named as the vision tower, nor in a folder ${last} in it.`,
    `Name the folder of the CLIP checkpoint ${last}, or none.`,
  );
}

/** In the checkpoint's folder, beside it, and in the caches of Hugging Face. A name that is a path is never followed. */
async function searchTower(folder: string, name: string, last: string): Promise<string | undefined> {
  const near = last === '.' ? [] : [join(folder, last), join(dirname(folder), last)];
  for (const candidate of near) {
    if (candidate !== folder && (await hasConfig(candidate))) return candidate;
  }
  if (!/^[\w.-]+\/[\w.-]+$/.test(name)) return undefined;
  for (const cache of cachesOf(folder)) {
    const found = await inCache(join(cache, `models--${name.replace('/', '--')}`));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The one that the checkpoint itself lies in, as hub/models--A--B/snapshots/C, and the user's. */
function cachesOf(folder: string): string[] {
  const own = /^(.+)[/\\]models--[^/\\]+[/\\]snapshots[/\\][^/\\]+$/.exec(folder)?.[1];
  const home = process.env['HF_HOME'] ?? join(os.homedir(), '.cache', 'huggingface');
  return [...(own === undefined ? [] : [own]), process.env['HF_HUB_CACHE'] ?? join(home, 'hub')];
}

/** The revision "main", else the only one there. */
async function inCache(repository: string): Promise<string | undefined> {
  const main = (await readCheckpointText(join(repository, 'refs'), 'main'))?.trim();
  const revisions = await readdir(join(repository, 'snapshots')).catch((): string[] => []);
  const revision = main !== undefined && revisions.includes(main) ? main : revisions[0];
  if (revision === undefined || (revision !== main && revisions.length > 1)) return undefined;
  const candidate = join(repository, 'snapshots', revision);
  return (await hasConfig(candidate)) ? candidate : undefined;
}

async function hasConfig(folder: string): Promise<boolean> {
  const found = await stat(join(folder, 'config.json')).catch(() => undefined);
  return found?.isFile() ?? false;
}

/** Of a CLIP model, whose image side is one of two parts, or of that side alone. */
async function readTowerConfig(folder: string): Promise<TowerConfig> {
  const source = join(folder, 'config.json');
  const config = (await readCheckpointJson(folder, 'config.json')) ?? {};
  const section = config['vision_config'];
  if (config['model_type'] !== 'clip' || !isJsonObject(section)) return { fields: config, source };
  // transformers' CLIPConfig lets the older spelling go first.
  const older = config['vision_config_dict'];
  return { fields: { ...section, ...(isJsonObject(older) && older) }, source: `${source}: vision_config` };
}

function lastPart(name: string): string {
  const last = name.split(/[/\\]/).findLast(part => part !== '') ?? '';
  return last === '..' ? '.' : last;
}

function missingTower(folder: string, name: string, last: string): FoveaError {
  return new FoveaError(
    'checkpoint-missing',
    `The weights in ${folder} lack the vision tower ${name}, and no folder ${last} is in it or beside it.`,
    `Download ${name} (hf download ${name} --local-dir ${join(dirname(folder), last)}), or say where it is: --vision-tower on the ` +
      'command line, the setting fovea.model.visionTower in VS Code.',
  );
}
