/**
 * The user's own images as a workload: text rows of the decoder ask, visual tokens of all frames answer. The model has no
 * cross-attention weights of its own, so the projections that read high-resolution tokens (FlexAttention) give keys and
 * values, and the decoder layer that they belong to gives the queries.
 */
import sharp from 'sharp';
import type { TrafficWorkload, WorkloadFrame, WorkloadToken } from '../../trace/traffic/metadata.ts';
import type { ElementType } from '../../trace/traffic/schedule.ts';
import { splitEvenly } from '../../trace/traffic/sizes.ts';
import { bytesOf } from '../../trace/writer.ts';
import { encodeTiles } from '../analysis/high-resolution-image.ts';
import { enlargedSettings } from '../analysis/high-resolution-input.ts';
import { letOthersRun } from '../analysis/interruption.ts';
import { LoadedModel, type ModelFiles, openModelFiles } from '../analysis/loaded-model.ts';
import { runModel } from '../analysis/model-run.ts';
import { openHighResolution } from '../checkpoint/high-resolution-weights.ts';
import { gridSide } from '../checkpoint/model-config.ts';
import type { Engine, EngineTensor } from '../engine/engine.ts';
import { decodeFrames } from '../image/decode-frames.ts';
import { checkInputSize, prepareImage } from '../image/preprocess.ts';
import { buildPrompt, type Prompt } from '../prompt/build-prompt.ts';
import { normalNoise } from './noise.ts';
import type { RankInputs } from './protocol.ts';
import { queryStates } from './query-states.ts';
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
  readonly ranks: number;
  readonly element: ElementType;
  /** Kept loaded if given. */
  readonly model?: LoadedModel;
  readonly signal?: AbortSignal | undefined;
}

const longestAnswer = 48;
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
  const { decoder, vision } = config;
  const prompt = buildPrompt(choice.question, longestAnswer, config, tokenizer, template);
  const projections = await openHighResolution(checkpoint);
  const { attending, zoom, source, rotary: rotaryKind } = projections.description;
  const layer = attending[Math.floor(attending.length / 2)]!;
  const images = await decodeFrames(choice.paths, choice.frames);
  for (const image of images) checkInputSize(image, processor, vision.imageSize);
  const engine = await model.require(
    files,
    { device: 'cpu', threads: 0 },
    projections.requiredBytes,
    undefined,
    signal,
  );
  const layers = new Map([[layer, projections.layers.get(layer)!]]);
  await engine.loadHighResolution({ ...projections, id: `${projections.id} ${layer}`, layers }, undefined, signal);

  // One image is read in high resolution; frames of several as they are.
  const tiles = images.length === 1 ? zoom : 1;
  const side = gridSide(vision);
  const grid = { rows: side * tiles, columns: side * tiles };
  const firstPatch = prompt.visual.first + prompt.visual.count - side ** 2;
  const place = { first: firstPatch, patches: { rows: side, columns: side }, grid };
  const keys: Float32Array[] = [];
  const values: Float32Array[] = [];
  const pictures: { readonly frame: WorkloadFrame; readonly bytes: Uint8Array }[] = [];
  let first: EngineTensor | undefined;
  for (const [index, image] of images.entries()) {
    await letOthersRun(signal);
    const small = prepareImage(image, processor);
    const { features } = await encodeTiles(engine, config, { pixels: small.pixels, tiles: 1 }, undefined, signal);
    first ??= features;
    const large = tiles === 1 ? undefined : prepareImage(image, enlargedSettings(processor, tiles));
    const read = large
      ? (await encodeTiles(engine, config, { pixels: large.pixels, tiles }, undefined, signal)).features
      : features;
    const fetched = await engine.projectHighResolution(
      layer,
      read,
      engine.highResolutionRotary(rotaryKind, place, prompt.ids.length),
    );
    keys.push(engine.read(fetched.keys).slice());
    values.push(engine.read(fetched.values).slice());
    const before = pictures.at(-1)?.frame;
    const bytes = await thumbnail(small.rgb, small.width, small.height);
    const frame: WorkloadFrame = {
      name: image.name,
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
  const asked = await askModel(
    engine,
    files,
    prompt,
    prepareImage(images[0]!, processor).pixels,
    first!,
    layer,
    signal,
  );
  const all = { keys: stack(keys), values: stack(values) };
  const frames = pictures.map(({ frame }) => frame);
  const { heads: queryHeads, keyValueHeads, headSize } = decoder;
  const shape = { queryHeads, keyValueHeads, headSize };
  const regions = images.length === 1 ? regionSides.one : regionSides.several;
  const seen = regionAttention(asked.queries, all.keys, frames, shape, regions);
  const queryRows = asked.tokens.length;
  const keyRows = frames.length * grid.rows * grid.columns;
  const description: TrafficWorkload = {
    name: images.length === 1 ? images[0]!.name : `${frames.length} frames`,
    source: 'images',
    description:
      `Queries: text rows after the image at decoder layer ${layer}, with the first frame in the prompt. Keys and values: ` +
      `FlexAttention’s high-resolution projections (${source}), of ${images.length === 1 ? 'the image in high resolution' : 'every frame'}; the model has no cross-attention weights`,
    shape,
    sharding: { queryRows: splitEvenly(queryRows, ranks), keyRows: splitEvenly(keyRows, ranks) },
    element,
    layers: attending.length,
    mask: 'none',
    question: prompt.question,
    answer: asked.answer,
    tokens: asked.tokens,
    frames,
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
          Q: cut(asked.queries, queryHeads, ofQueries, rank),
          K: cut(all.keys, keyValueHeads, ofKeys, rank),
          V: cut(all.values, keyValueHeads, ofKeys, rank),
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

interface Asked {
  readonly answer: string;
  readonly tokens: readonly WorkloadToken[];
  /** [tokens, heads x head size] */
  readonly queries: Float32Array;
}

/** Answers the question, then takes the query states of question and answer at the layer. */
async function askModel(
  engine: Engine,
  { checkpoint, tokenizer }: ModelFiles,
  prompt: Prompt,
  pixels: Float32Array,
  visual: EngineTensor,
  layer: number,
  signal: AbortSignal | undefined,
): Promise<Asked> {
  const { config } = checkpoint;
  const run = await runModel(
    engine,
    { config, tokenizer, prompt, pixels, maxNewTokens: longestAnswer, sampling: { mode: 'greedy' } },
    { signal },
  );
  // The last token is never fed, so it has no queries.
  const fed = run.generated.slice(0, -1);
  const { first, count } = prompt.visual;
  const textAfter = [...prompt.ids.slice(first + count), ...fed.map(({ id }) => id)];
  const parts = [visual, await engine.embedTokens(textAfter)];
  if (first > 0) parts.unshift(await engine.embedTokens(prompt.ids.slice(0, first)));
  let hidden = engine.concatenate(parts);
  const length = first + count + textAfter.length;
  const positions = Int32Array.from({ length }, (_, position) => position);
  const cache = engine.createCache(0);
  for (let below = 0; below < layer; below++) {
    await letOthersRun(signal);
    ({ hidden } = await engine.runDecoderLayer(below, hidden, { positions, sequenceLength: length, cache }));
  }
  const states = engine.read(hidden).subarray((first + count) * config.decoder.hiddenSize);
  const queries = await queryStates(checkpoint, layer, states, positions.subarray(first + count), length);
  const after = prompt.tokens.filter(({ position }) => position >= first + count);
  const tokens = [...after, ...fed].map(({ text, role }) => ({ text, role }));
  return { answer: run.answer, tokens, queries };
}

function stack(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((offset, part) => {
    whole.set(part, offset);
    return offset + part.length;
  }, 0);
  return whole;
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
