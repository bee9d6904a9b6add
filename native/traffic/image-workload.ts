/**
 * The user's own images as a workload: text rows of the decoder ask, visual tokens of all frames answer. A model with
 * cross-attention of its own gives queries, keys and values; in others FlexAttention's projections stand in.
 */
import { resolve } from 'node:path';
import sharp from 'sharp';
import type { TrafficWorkload, WorkloadFrame, WorkloadOrigin } from '../../trace/traffic/metadata.ts';
import type { ElementType } from '../../trace/traffic/schedule.ts';
import { splitEvenly } from '../../trace/traffic/sizes.ts';
import { bytesOf } from '../../trace/writer.ts';
import { LoadedModel, openModelFiles } from '../analysis/loaded-model.ts';
import { filesBeside } from '../analysis/method-weights.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { type CrossAttentionWeights, openCrossAttention } from '../checkpoint/cross-attention-weights.ts';
import type { FileDigests } from '../checkpoint/file-digests.ts';
import { type HighResolutionProjections, openHighResolution } from '../checkpoint/high-resolution-weights.ts';
import { FoveaError } from '../errors.ts';
import { decodeFrames } from '../image/decode-frames.ts';
import { imagesDigest } from '../image/images-digest.ts';
import { checkInputSize, prepareImage } from '../image/preprocess.ts';
import { isBundled, modelName } from '../models.ts';
import { buildPrompt } from '../prompt/build-prompt.ts';
import type { ImageWeights } from '../rpc.ts';
import { crossAttentionParts } from './cross-attention-parts.ts';
import { fetchedParts } from './fetched-parts.ts';
import { longestAnswer } from './image-parts.ts';
import { normalNoise } from './noise.ts';
import type { RankInputs } from './protocol.ts';
import { regionAttention } from './region-attention.ts';
import type { Workload } from './workload.ts';
import { roundTo } from './wire.ts';

export interface ImageChoice {
  readonly paths: readonly string[];
  readonly question: string;
  readonly modelFolder: string;
  readonly visionTower?: string | undefined;
  /** The most frames to take. */
  readonly frames: number;
  /** By default the model's own cross-attention where it has one. */
  readonly weights?: ImageWeights | undefined;
  /** Decoder layer; by default the one in the middle of those that the weights have. */
  readonly layer?: number | undefined;
  readonly ranks: number;
  readonly element: ElementType;
  /** Kept loaded if given. */
  readonly model?: LoadedModel;
  readonly signal?: AbortSignal | undefined;
}

const thumbnailSide = 168;
/** Regions along each side: of one large image, of each of several frames. */
const regionSides = { one: 24, several: 12 };

/** @throws FoveaError of images, checkpoint or engine */
export async function imageWorkload(choice: ImageChoice): Promise<Workload> {
  const model = choice.model ?? new LoadedModel();
  try {
    return await build(choice, model);
  } finally {
    if (!choice.model) await model.release();
  }
}

async function build(choice: ImageChoice, model: LoadedModel): Promise<Workload> {
  const { signal, ranks, element } = choice;
  const files = await openModelFiles(choice.modelFolder, choice.visionTower);
  const { checkpoint, processor, tokenizer, template } = files;
  const { config } = checkpoint;
  const prompt = buildPrompt(choice.question, longestAnswer, config, tokenizer, template);
  const chosen = await chooseWeights(checkpoint, choice);
  const limit = chosen.cross ? Math.min(choice.frames, chosen.cross.description.mostFrames) : choice.frames;
  const images = await decodeFrames(choice.paths, limit);
  for (const image of images) checkInputSize(image, processor, config.vision.imageSize);
  const { requiredBytes } = chosen.cross ?? chosen.fetched;
  const engine = await model.require(files, { device: 'cpu', threads: 0 }, requiredBytes, undefined, signal);
  const small = images.map(image => prepareImage(image, processor));
  const setting = { engine, files, prompt, images, small, signal };
  const parts = chosen.cross
    ? await crossAttentionParts(setting, chosen.cross, chosen.layer)
    : await fetchedParts(setting, chosen.fetched, chosen.layer, chosen.reason);
  const { shape, grid } = parts;
  const { queryHeads, keyValueHeads, headSize } = shape;
  const pictures: { readonly frame: WorkloadFrame; readonly bytes: Uint8Array }[] = [];
  for (const [index, { rgb, width, height }] of small.entries()) {
    const before = pictures.at(-1)?.frame;
    const bytes = await thumbnail(rgb, width, height);
    const frame: WorkloadFrame = {
      name: images[index]!.name,
      width: thumbnailSide,
      height: thumbnailSide,
      mime: 'image/webp',
      offset: before ? before.offset + before.bytes : 0,
      bytes: bytes.length,
      firstKey: index * grid.rows * grid.columns,
      keys: grid.rows * grid.columns,
      grid,
    };
    pictures.push({ frame, bytes });
  }
  const frames = pictures.map(({ frame }) => frame);
  const regions = images.length === 1 ? regionSides.one : regionSides.several;
  const seen = regionAttention(parts.queries, parts.keys, frames, shape, regions);
  const queryRows = parts.tokens.length;
  const keyRows = frames.length * grid.rows * grid.columns;
  const description: TrafficWorkload = {
    name: images.length === 1 ? images[0]!.name : `${frames.length} frames`,
    source: 'images',
    description: parts.words,
    shape,
    sharding: { queryRows: splitEvenly(queryRows, ranks), keyRows: splitEvenly(keyRows, ranks) },
    element,
    layers: parts.layers,
    mask: 'none',
    question: prompt.question,
    answer: parts.answer,
    tokens: parts.tokens,
    frames,
    origin: await originOf(choice, chosen, checkpoint, model.digests),
  };
  const pictureBytes = Buffer.concat(pictures.map(({ bytes }) => bytes));
  return {
    description,
    inputs: (sizes, pass) => {
      const cut = (data: Float32Array, heads: number, rows: readonly number[], rank: number): Float32Array =>
        roundTo(headMajor(data, heads, headSize, rows, rank), sizes.wire.element);
      const { queryRows: ofQueries, keyRows: ofKeys } = sizes.sharding;
      return ofQueries.map((rows, rank): RankInputs => {
        const dO = normalNoise(rows * queryHeads * headSize, 1 + rank);
        return {
          Q: cut(parts.queries, queryHeads, ofQueries, rank),
          K: cut(parts.keys, keyValueHeads, ofKeys, rank),
          V: cut(parts.values, keyValueHeads, ofKeys, rank),
          ...(pass === 'backward' && { dO: roundTo(dO, sizes.wire.element) }),
        };
      });
    },
    tensors: {
      'workload.frame_attention': { dtype: 'F32', shape: [queryRows, frames.length], data: bytesOf(seen.frames) },
      'workload.region_attention': {
        dtype: 'F32',
        shape: [queryRows, frames.length, regions, regions],
        data: bytesOf(seen.regions),
      },
      'workload.frames': { dtype: 'U8', shape: [pictureBytes.length], data: new Uint8Array(pictureBytes) },
    },
  };
}

async function originOf(
  choice: ImageChoice,
  chosen: Chosen,
  checkpoint: Checkpoint,
  digests: FileDigests,
): Promise<WorkloadOrigin> {
  const { folder, digest, towerFolder } = checkpoint;
  const beside = filesBeside(chosen.cross ? { crossAttention: chosen.cross } : { projections: chosen.fetched });
  const sources = choice.paths.map(path => resolve(path));
  return {
    sources: await Promise.all(sources.map(async path => ({ path, digest: await imagesDigest(path) }))),
    mostFrames: choice.frames,
    weights: chosen.cross ? 'cross-attention' : 'flexattention',
    layer: chosen.layer,
    model: {
      name: modelName(folder),
      folder,
      bundled: isBundled(folder),
      digest,
      files: await digests.of([...checkpoint.files, ...beside], choice.signal),
      ...(towerFolder !== undefined && { visionTower: towerFolder }),
    },
  };
}

type Chosen = { readonly layer: number } & (
  | { readonly cross: CrossAttentionWeights }
  | { readonly cross?: undefined; readonly fetched: HighResolutionProjections; readonly reason: string }
);

/** @throws FoveaError `architecture-unsupported` or `usage` for weights and layers that the model does not have */
async function chooseWeights(checkpoint: Checkpoint, { weights, layer }: ImageChoice): Promise<Chosen> {
  const cross = weights === 'flexattention' ? undefined : await openCrossAttention(checkpoint);
  if (cross) return { cross, layer: chosenLayer(cross.description.layers, layer) };
  if (weights === 'cross-attention') {
    throw new FoveaError(
      'architecture-unsupported',
      'This model has no cross-attention weights (xattn.json and xattn.safetensors).',
      'Choose a model that has them, or leave the choice open: FlexAttention’s projections stand in.',
    );
  }
  const fetched = await openHighResolution(checkpoint);
  const reason = weights === 'flexattention' ? 'as was asked for' : 'the model has no cross-attention weights';
  return { fetched, layer: chosenLayer(fetched.description.attending, layer), reason };
}

function chosenLayer(layers: readonly number[], asked: number | undefined): number {
  if (asked === undefined) return layers[Math.floor(layers.length / 2)]!;
  if (layers.includes(asked)) return asked;
  const hint = `Layers that have it: ${layers.join(', ')}.`;
  throw new FoveaError('usage', `There is no such attention at decoder layer ${asked}.`, hint);
}

/** The rows of one rank of [rows, heads x size] as [heads, rows, size]. */
function headMajor(
  data: Float32Array,
  heads: number,
  size: number,
  perRank: readonly number[],
  rank: number,
): Float32Array {
  const offset = perRank.slice(0, rank).reduce((sum, rows) => sum + rows, 0);
  const rows = perRank[rank]!;
  const turned = new Float32Array(heads * rows * size);
  for (let row = 0; row < rows; row++) {
    for (let head = 0; head < heads; head++) {
      const from = ((offset + row) * heads + head) * size;
      turned.set(data.subarray(from, from + size), (head * rows + row) * size);
    }
  }
  return turned;
}

async function thumbnail(rgb: Uint8Array, width: number, height: number): Promise<Uint8Array> {
  return sharp(rgb, { raw: { width, height, channels: 3 } })
    .resize(thumbnailSide, thumbnailSide, { fit: 'fill' })
    .webp({ quality: 80 })
    .toBuffer();
}
