/**
 * Gated cross-attention beside a checkpoint (LLaVA-XAttn, the rival that arXiv 2407.20228 names in section 4.1; the gate is that of
 * Flamingo, arXiv 2204.14198, section 3.2): `xattn.json` says which layers have it and how it was trained, `xattn.safetensors`
 * has its weights. A checkpoint without them is not touched by any of this.
 */
import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readCheckpointJson } from '../checkpoint-file.ts';
import { FoveaError } from '../errors.ts';
import type { Checkpoint } from './checkpoint.ts';
import { ConfigSection } from './config-section.ts';
import { gridSide, type ModelConfig } from './model-config.ts';
import type { LinearWeights } from './model-weights.ts';
import { fileStamp, type StoredFile } from './stored-file.ts';
import { WeightFinder } from './weight-finder.ts';
import { readWeightHeader } from './weight-header.ts';
import type { Weight } from './weight-index.ts';

/** Belongs to the weights: they only work as they were trained. */
export interface CrossAttentionDescription {
  /** File that the weights came from, for the reader. */
  readonly source: string;
  /** Decoder layers, ascending, before each of which text rows read the long visual input. */
  readonly layers: readonly number[];
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  readonly normEpsilon: number;
  /** Whether features pass a norm before the embedding of their place is added. */
  readonly keyValueNorm: boolean;
  /** Tiles at each side of the large image. */
  readonly tiles: number;
  readonly mostFrames: number;
}

export interface CrossAttentionLayerWeights {
  /** [hidden] */
  readonly norm: Weight;
  /** [heads x head size, hidden] */
  readonly query: LinearWeights;
  /** [key-value heads x head size, hidden] */
  readonly key: LinearWeights;
  readonly value: LinearWeights;
  /** [hidden, heads x head size] */
  readonly output: LinearWeights;
  /** [1], before tanh */
  readonly gate: Weight;
}

export interface CrossAttentionWeights {
  /** Differs where any of the weights does. */
  readonly id: string;
  readonly files: readonly StoredFile[];
  readonly description: CrossAttentionDescription;
  readonly layers: ReadonlyMap<number, CrossAttentionLayerWeights>;
  /** [hidden]; absent without `keyValueNorm` */
  readonly keyValueNorm: Weight | undefined;
  /** [tiles², hidden] */
  readonly tileEmbedding: Weight;
  /** [mostFrames, hidden] */
  readonly frameEmbedding: Weight;
  /** Bytes in memory, float32. */
  readonly requiredBytes: number;
}

export const crossAttentionFiles = { description: 'xattn.json', weights: 'xattn.safetensors' } as const;
const format = 'fovea-xattn';
const version = 1;

/** @returns undefined for a checkpoint without cross-attention; @throws FoveaError `checkpoint-missing`, `checkpoint-malformed` or `shape-mismatch` */
export async function openCrossAttention(checkpoint: Checkpoint): Promise<CrossAttentionWeights | undefined> {
  const { folder, config } = checkpoint;
  const json = await readCheckpointJson(folder, crossAttentionFiles.description);
  if (!json) {
    await refuseLonelyWeights(folder);
    return undefined;
  }
  const description = describe(new ConfigSection(json, crossAttentionFiles.description), config);
  const file = await realpath(join(folder, crossAttentionFiles.weights)).catch((cause: unknown) => {
    const { description: name, weights } = crossAttentionFiles;
    const hint = `Put ${weights} beside it, or remove ${name} to run without cross-attention.`;
    throw new FoveaError('checkpoint-missing', `There is ${name}, but no ${weights}.`, hint, { cause });
  });
  const { tensors } = await readWeightHeader(file, crossAttentionFiles.weights);
  const finder = new WeightFinder(new Map(tensors.map(tensor => [tensor.name, tensor])));
  const { hiddenSize } = config.decoder;
  const shared = finder.at('language_model.');
  const layers = new Map(
    description.layers.map((layer): [number, CrossAttentionLayerWeights] => [
      layer,
      layerWeights(shared.at(`layers.${layer}.cross_attn.`), description, hiddenSize),
    ]),
  );
  const weights = {
    layers,
    keyValueNorm: description.keyValueNorm ? shared.tensor('xattn_kv_norm.weight', [hiddenSize]) : undefined,
    tileEmbedding: shared.tensor('xattn_tile.weight', [description.tiles ** 2, hiddenSize]),
    frameEmbedding: shared.tensor('xattn_frame.weight', [description.mostFrames, hiddenSize]),
  };
  finder.throwMismatches(crossAttentionFiles.description);
  const elements = finder.used.reduce((sum, { shape }) => sum + shape.reduce((product, side) => product * side, 1), 0);
  return {
    id: [file, await fileStamp(file), JSON.stringify(json)].join(' '),
    files: Object.values(crossAttentionFiles).map(name => ({ name, path: join(folder, name) })),
    description,
    ...weights,
    requiredBytes: elements * Float32Array.BYTES_PER_ELEMENT,
  };
}

/** Weights that nothing describes would be left out in silence. */
async function refuseLonelyWeights(folder: string): Promise<void> {
  const { description, weights } = crossAttentionFiles;
  if (!(await stat(join(folder, weights)).catch(() => undefined))) return;
  const hint = `Put ${description} beside it, or remove ${weights} to run without cross-attention.`;
  throw new FoveaError(
    'checkpoint-missing',
    `There is ${weights}, but no ${description} that says how to use it.`,
    hint,
  );
}

function layerWeights(
  finder: WeightFinder,
  { heads, keyValueHeads, headSize }: CrossAttentionDescription,
  hiddenSize: number,
): CrossAttentionLayerWeights {
  const [queries, keys] = [heads * headSize, keyValueHeads * headSize];
  return {
    norm: finder.tensor('norm.weight', [hiddenSize]),
    query: finder.linear('q_proj', queries, hiddenSize, false),
    key: finder.linear('k_proj', keys, hiddenSize, false),
    value: finder.linear('v_proj', keys, hiddenSize, false),
    output: finder.linear('o_proj', hiddenSize, queries, false),
    gate: finder.tensor('gate', [1]),
  };
}

/** Every key must be there: nothing about trained weights is guessed. @throws FoveaError `checkpoint-malformed` or `architecture-unsupported` */
function describe(section: ConfigSection, { decoder, vision }: ModelConfig): CrossAttentionDescription {
  const text = (key: string): string => section.text(required(section, key), '');
  const size = (key: string): number => section.size(required(section, key), 1);
  if (text('format') !== format) throw section.unexpected('format', JSON.stringify(format));
  if (size('version') !== version) {
    throw section.unsupported(
      `version is ${String(section.raw('version'))}.`,
      `This version of Fovea reads ${version}.`,
    );
  }
  for (const [key, known] of [
    ['where', 'before'],
    ['queries', 'after-image'],
    ['gate', 'tanh'],
    ['rotary', 'none'],
  ] as const) {
    const found = text(key);
    if (found !== known)
      throw section.unsupported(`${key} is "${found}".`, `Fovea runs cross-attention whose ${key} is "${known}".`);
  }
  const description: CrossAttentionDescription = {
    source: crossAttentionFiles.weights,
    layers: section.integers(required(section, 'layers')) ?? [],
    heads: size('heads'),
    keyValueHeads: size('keyValueHeads'),
    headSize: size('headDim'),
    normEpsilon: section.positive(required(section, 'rmsNormEps'), 1),
    keyValueNorm: section.boolean(required(section, 'keyValueNorm'), true),
    tiles: size('tileGrid'),
    mostFrames: size('maxFrames'),
  };
  const { layers, heads, keyValueHeads } = description;
  const ascending = layers.every((layer, index) => layer > (layers[index - 1] ?? -1) && layer < decoder.layers);
  if (layers.length === 0 || !ascending)
    throw section.unexpected('layers', `a list of ascending layers from 0 to ${decoder.layers - 1}`);
  if (heads % keyValueHeads !== 0) throw section.unexpected('keyValueHeads', `a divisor of heads (${heads})`);
  // Tiles and frames pass the vision tower as they are: another size would have no place in it.
  if (size('tilePixels') !== vision.imageSize) {
    throw section.unexpected('tilePixels', `the image_size of the vision tower (${vision.imageSize})`);
  }
  const patches = gridSide(vision) ** 2;
  if (size('frameTokens') !== patches) {
    throw section.unexpected('frameTokens', `the number of the vision tower's patches (${patches})`);
  }
  return description;
}

function required(section: ConfigSection, key: string): string {
  if (!section.has(key)) throw section.unexpected(key, 'a value');
  return key;
}
