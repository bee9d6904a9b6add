/**
 * The projections that read high-resolution tokens, and how they were trained to be used: a description of their own beside a
 * checkpoint (`flexattn.json`), the layout of FlexAttention's released checkpoint, or copies of the decoder's own projections.
 */
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { LowResolution, SelectionRule } from '../../trace/high-resolution.ts';
import { isJsonObject, type JsonObject, readCheckpointJson } from '../checkpoint-file.ts';
import { FoveaError } from '../errors.ts';
import type { Checkpoint } from './checkpoint.ts';
import { ConfigSection } from './config-section.ts';
import type { DecoderConfig } from './model-config.ts';
import type { LinearWeights } from './model-weights.ts';
import { fileStamp, type StoredFile } from './stored-file.ts';
import { WeightFinder } from './weight-finder.ts';
import { readWeightHeader } from './weight-header.ts';
import type { WeightIndex } from './weight-index.ts';

/** Rule, form and size belong to the weights: they only work as they were trained. */
export interface HighResolutionDescription {
  readonly kind: 'bundled' | 'released' | 'copied';
  /** For the reader. */
  readonly source: string;
  /** Tiles at each side of the large image. */
  readonly zoom: number;
  /** Decoder layers that have projections, ascending. */
  readonly layers: readonly number[];
  /** Those that attend unless the user says otherwise. */
  readonly attending: readonly number[];
  readonly rule: SelectionRule;
  /** Side of the pooled cells; every patch is a cell without it. */
  readonly pooledCells?: number;
  readonly rows: 'last' | 'all';
  readonly map: 'separate' | 'joint';
  readonly rotary: 'fractional' | 'interpolated';
  /** The low-resolution image: resized from the original as the model's processor does, or scaled down from the large one. */
  readonly lowResolution: LowResolution;
}

export interface LayerProjections {
  readonly key: LinearWeights;
  readonly value: LinearWeights;
}

export interface HighResolutionProjections {
  /** Differs where any of the weights does. */
  readonly id: string;
  /** Besides those of the checkpoint. */
  readonly files: readonly StoredFile[];
  readonly description: HighResolutionDescription;
  readonly layers: ReadonlyMap<number, LayerProjections>;
  /** Bytes in memory, float32. */
  readonly requiredBytes: number;
}

const descriptionFile = 'flexattn.json';
/** Layers without high-resolution tokens in LLaVA-FlexAttn: 9 of 32. */
const plainShare = 9 / 32;
/** As in the config of the released checkpoint. */
const releasedThreshold = 48;
/** Where the config of a released checkpoint leaves it out, the official code takes this. */
const fallbackThreshold = 64;
const releasedZoom = 3;
const releasedCells = 9;

/** First layer that attends, where nothing else says so: the paper's boundary, scaled to the depth. */
function firstAttendingLayer(layers: number): number {
  return Math.max(1, Math.round(layers * plainShare));
}

/** As the official code has it, for a decoder of this depth. */
export function copiedDescription(layers: number): HighResolutionDescription {
  const all = Array.from({ length: layers }, (_, layer) => layer);
  return {
    kind: 'copied',
    source: "the decoder's own key and value projections",
    zoom: releasedZoom,
    layers: all,
    attending: all.slice(firstAttendingLayer(layers)),
    rule: { kind: 'threshold', threshold: releasedThreshold },
    pooledCells: releasedCells,
    rows: 'last',
    map: 'separate',
    rotary: 'interpolated',
    // Nothing was trained, so that the model keeps the image that it was made for.
    lowResolution: 'resized',
  };
}

/** @throws FoveaError `checkpoint-missing`, `checkpoint-malformed` or `shape-mismatch` */
export async function openHighResolution(checkpoint: Checkpoint): Promise<HighResolutionProjections> {
  return (await describedWeights(checkpoint)) ?? (await releasedWeights(checkpoint)) ?? copiedWeights(checkpoint);
}

async function describedWeights({ folder, config }: Checkpoint): Promise<HighResolutionProjections | undefined> {
  const json = await readCheckpointJson(folder, descriptionFile);
  if (!json) return undefined;
  const section = new ConfigSection(json, descriptionFile);
  const fileName = section.text('weights', '');
  if (fileName === '' || /[/\\]/.test(fileName)) throw section.unexpected('weights', 'the name of a file beside it');
  const layers = section.integers('layers') ?? [];
  requireLayers(section, layers, config.decoder.layers);
  const file = await realpath(join(folder, fileName)).catch((error: unknown) => {
    const hint = 'Put the file back, or remove flexattn.json to run with copies of the own projections.';
    throw new FoveaError('checkpoint-missing', `${descriptionFile} names ${fileName}, which is not there.`, hint, {
      cause: error,
    });
  });
  const header = await readWeightHeader(file, fileName);
  const names = { key: section.text('key', ''), value: section.text('value', '') };
  const index: WeightIndex = new Map(header.tensors.map(tensor => [tensor.name, tensor]));
  const pooledCells = section.has('pooledCells') ? section.size('pooledCells', releasedCells) : undefined;
  const source: ProjectionSource = {
    id: [file, await fileStamp(file), JSON.stringify(json)].join(' '),
    files: [descriptionFile, fileName].map(name => ({ name, path: join(folder, name) })),
    index,
    names,
  };
  return projections(source, config.decoder, {
    kind: 'bundled',
    source: section.text('title', fileName),
    zoom: section.size('zoom', releasedZoom),
    layers,
    attending: layers,
    rule: ruleOf(section),
    ...(pooledCells !== undefined && { pooledCells }),
    rows: choice(section, 'rows', ['last', 'all']),
    map: choice(section, 'map', ['separate', 'joint']),
    rotary: choice(section, 'rotary', ['fractional', 'interpolated']),
    lowResolution: choice(section, 'lowResolution', ['resized', 'scaled']),
  });
}

/** Weights of the names that LLaVA-FlexAttn has, in a checkpoint of either layout; `extra` of config.json says how. */
async function releasedWeights(checkpoint: Checkpoint): Promise<HighResolutionProjections | undefined> {
  const { weights, folder, config, digest } = checkpoint;
  const suffix = '.self_attn.k_proj_hd.weight';
  const name = [...weights.keys()].find(key => key.endsWith(suffix));
  const prefix = name && /^(.*layers\.)\d+\./.exec(name)?.[1];
  if (prefix === undefined || prefix === '') return undefined;
  const extraFields: unknown = (await readCheckpointJson(folder, 'config.json'))?.['extra'];
  const extra = new ConfigSection(isJsonObject(extraFields) ? numbersOf(extraFields) : {}, 'config.json: extra');
  const { layers } = config.decoder;
  const present = Array.from({ length: layers }, (_, layer) => layer).filter(layer =>
    weights.has(`${prefix}${layer}${suffix}`),
  );
  const low = extra.size('lowres_size', config.vision.imageSize);
  if (low !== config.vision.imageSize) {
    throw extra.unexpected('lowres_size', `the ${config.vision.imageSize} pixels that the vision tower takes`);
  }
  const zoom = extra.size('highres_size', low * extra.size('zoom_ratio', releasedZoom)) / low;
  if (!Number.isInteger(zoom)) throw extra.unexpected('highres_size', 'a multiple of lowres_size');
  const names = {
    key: `${prefix}{layer}.self_attn.k_proj_hd.weight`,
    value: `${prefix}{layer}.self_attn.v_proj_hd.weight`,
  };
  return projections({ id: `released ${digest}`, files: [], index: weights, names }, config.decoder, {
    ...copiedDescription(layers),
    kind: 'released',
    source: 'k_proj_hd and v_proj_hd of the checkpoint',
    zoom,
    layers: present,
    attending: present.filter(layer => layer >= firstAttendingLayer(layers)),
    lowResolution: 'scaled',
    rule: { kind: 'threshold', threshold: extra.number('threshold', fallbackThreshold) },
  });
}

/** The training script of the official code writes these numbers as text ("zoom_ratio": "3"), and its model reads them with int(). */
function numbersOf(fields: JsonObject): JsonObject {
  const isNumber = (value: unknown): value is string => typeof value === 'string' && /^\s*-?[\d.]+\s*$/.test(value);
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, isNumber(value) ? Number(value) : value]),
  );
}

function copiedWeights({ model, config, folder, digest }: Checkpoint): HighResolutionProjections {
  const description = copiedDescription(config.decoder.layers);
  const layers = new Map(
    model.decoderLayers.map(({ key, value }, layer): [number, LayerProjections] => [layer, { key, value }]),
  );
  return { id: `copied ${folder} ${digest}`, files: [], description, layers, requiredBytes: bytesOf(layers) };
}

interface ProjectionSource extends Pick<HighResolutionProjections, 'id' | 'files'> {
  readonly index: WeightIndex;
  /** With `{layer}` in the place of the number. */
  readonly names: { readonly key: string; readonly value: string };
}

/** @throws FoveaError `checkpoint-malformed` or `shape-mismatch` */
function projections(
  { id, files, index, names }: ProjectionSource,
  { hiddenSize, keyValueHeads, headSize }: DecoderConfig,
  description: HighResolutionDescription,
): HighResolutionProjections {
  const finder = new WeightFinder(index);
  const shape = [keyValueHeads * headSize, hiddenSize];
  const linear = (pattern: string, layer: number): LinearWeights => ({
    weight: finder.tensor(pattern.replace('{layer}', String(layer)), shape),
    bias: undefined,
  });
  const layers = new Map(
    description.layers.map((layer): [number, LayerProjections] => [
      layer,
      { key: linear(names.key, layer), value: linear(names.value, layer) },
    ]),
  );
  finder.throwMismatches();
  return { id, files, description, layers, requiredBytes: bytesOf(layers) };
}

function bytesOf(layers: ReadonlyMap<number, LayerProjections>): number {
  let elements = 0;
  for (const { key, value } of layers.values()) {
    for (const { shape } of [key.weight, value.weight]) elements += shape.reduce((product, size) => product * size, 1);
  }
  return elements * 4;
}

function requireLayers(section: ConfigSection, layers: readonly number[], depth: number): void {
  const ascending = layers.every((layer, index) => layer > (layers[index - 1] ?? 0) && layer < depth);
  if (layers.length === 0 || !ascending) throw section.unexpected('layers', `ascending layers from 1 to ${depth - 1}`);
}

function ruleOf(section: ConfigSection): SelectionRule {
  const rule = section.section('rule') ?? section.empty('rule');
  if (rule.has('count')) return { kind: 'count', count: rule.size('count', 1) };
  return { kind: 'threshold', threshold: rule.number('threshold', releasedThreshold) };
}

function choice<T extends string>(section: ConfigSection, key: string, allowed: readonly [T, ...T[]]): T {
  const value = section.text(key, allowed[0]);
  const known = allowed.find(candidate => candidate === value);
  if (known === undefined) throw section.unexpected(key, allowed.join(' or '));
  return known;
}
