/** Finds the weight files of a checkpoint folder and reads their headers. */
import { readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { isJsonObject, readCheckpointJson } from '../checkpoint-file.ts';
import { FoveaError } from '../errors.ts';
import { packagedFile } from '../packaged-file.ts';
import type { StoredFile } from './stored-file.ts';
import { readWeightHeader, type WeightHeader } from './weight-header.ts';
import type { StoredTensor, WeightIndex } from './weight-index.ts';

export interface WeightFiles {
  readonly index: WeightIndex;
  /** In the order of their names. */
  readonly files: readonly StoredFile[];
  /** sha256 of each file's header, in the order of the file names. */
  readonly headerDigests: readonly string[];
}

const singleFile = 'model.safetensors';
const indexFile = 'model.safetensors.index.json';

/**
 * A single `model.safetensors`, else the shards that `model.safetensors.index.json` names.
 * @throws FoveaError `checkpoint-missing` or `checkpoint-malformed`
 */
export async function readWeightFiles(folder: string): Promise<WeightFiles> {
  const names = new Set(await readdir(folder));
  if (names.has(singleFile)) {
    const header = await readHeader(folder, singleFile);
    return {
      index: new Map(header.tensors.map(tensor => [tensor.name, tensor])),
      files: [{ name: singleFile, path: join(folder, singleFile) }],
      headerDigests: [header.digest],
    };
  }
  if (names.has(indexFile)) return readShards(folder);
  throw noWeights(folder, [...names]);
}

async function readShards(folder: string): Promise<WeightFiles> {
  const places = await readShardIndex(folder);
  const headers = new Map<string, WeightHeader>();
  for (const name of [...new Set(places.values())].sort()) headers.set(name, await readHeader(folder, name));
  const index = new Map<string, StoredTensor>();
  for (const [name, header] of headers) {
    for (const tensor of header.tensors) if (places.get(tensor.name) === name) index.set(tensor.name, tensor);
  }
  for (const [tensor, file] of places) {
    if (!index.has(tensor))
      throw malformed(`${indexFile} says that the tensor "${tensor}" is in ${file}, which lacks it.`);
  }
  return {
    index,
    files: [...headers.keys()].map(name => ({ name, path: join(folder, name) })),
    headerDigests: [...headers.values()].map(header => header.digest),
  };
}

/** Tensor name to the name of its file. */
async function readShardIndex(folder: string): Promise<ReadonlyMap<string, string>> {
  const map = (await readCheckpointJson(folder, indexFile))?.['weight_map'];
  if (!isJsonObject(map)) throw malformed(`${indexFile} has no "weight_map".`);
  const places = new Map<string, string>();
  for (const [tensor, file] of Object.entries(map)) {
    if (typeof file !== 'string') throw malformed(`${indexFile} names no file for the tensor "${tensor}".`);
    if (!isInside(file)) throw malformed(`${indexFile} places the tensor "${tensor}" outside the folder, in ${file}.`);
    places.set(tensor, file);
  }
  return places;
}

function isInside(file: string): boolean {
  const parts = file.split(/[/\\]/);
  return parts.every(part => part !== '' && part !== '..' && part !== '.') && !/^[a-z]:/i.test(file);
}

async function readHeader(folder: string, name: string): Promise<WeightHeader> {
  let file: string;
  try {
    file = await realpath(join(folder, name));
  } catch (error) {
    throw new FoveaError(
      'checkpoint-missing',
      `The weight file ${name} is missing in ${folder}.`,
      'The download of the model is not complete: fetch the missing file.',
      { cause: error },
    );
  }
  return readWeightHeader(file, name);
}

function noWeights(folder: string, names: readonly string[]): FoveaError {
  const pickled = names.find(name => /^pytorch_model.*\.bin(\.index\.json)?$/.test(name));
  if (pickled === undefined && names.includes('adapter_config.json')) {
    return new FoveaError(
      'checkpoint-missing',
      `${folder} holds a LoRA adapter, not a model's weights.`,
      "Merge it into its base model first (scripts/merge_lora_weights.py in LLaVA's repository), then choose the merged folder.",
    );
  }
  if (pickled === undefined) {
    const hint = `A checkpoint has ${singleFile}, or ${indexFile} and the files it names. Choose such a folder.`;
    return new FoveaError('checkpoint-missing', `There are no weights in ${folder}.`, hint);
  }
  const script = packagedFile(join('native', 'torch', 'to_safetensors.py')) ?? 'native/torch/to_safetensors.py';
  return new FoveaError(
    'checkpoint-missing',
    `The weights in ${folder} are PyTorch pickles (${pickled}), which Fovea does not read, since they can run code.`,
    `Convert them once, with a Python that has torch: python3 "${script}" "${folder}" writes safetensors beside them.`,
  );
}

function malformed(message: string): FoveaError {
  return new FoveaError('checkpoint-malformed', message, 'Download the file again.');
}
