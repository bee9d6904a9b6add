/**
 * Images through the projections that read high-resolution tokens (FlexAttention): they give keys and values, and the decoder
 * layer that they belong to gives the queries. For models without cross-attention of their own.
 */
import { encodeTiles } from '../analysis/high-resolution-image.ts';
import { enlargedSettings } from '../analysis/high-resolution-input.ts';
import { letOthersRun } from '../analysis/interruption.ts';
import { runModel } from '../analysis/model-run.ts';
import type { HighResolutionProjections } from '../checkpoint/high-resolution-weights.ts';
import { gridSide } from '../checkpoint/model-config.ts';
import type { EngineTensor } from '../engine/engine.ts';
import { prepareImage } from '../image/preprocess.ts';
import { type ImageParts, type ImageSetting, imageWords, longestAnswer, queryTokens, stack } from './image-parts.ts';
import { queryStates } from './query-states.ts';

/** @param layer that attends; @param reason why not the model's cross-attention */
export async function fetchedParts(
  setting: ImageSetting,
  projections: HighResolutionProjections,
  layer: number,
  reason: string,
): Promise<ImageParts> {
  const { engine, files, prompt, images, small, signal } = setting;
  const { checkpoint, processor } = files;
  const { config } = checkpoint;
  const { attending, zoom, source, rotary } = projections.description;
  const layers = new Map([[layer, projections.layers.get(layer)!]]);
  await engine.loadHighResolution({ ...projections, id: `${projections.id} ${layer}`, layers }, undefined, signal);

  // One image is read in high resolution; frames of several as they are.
  const tiles = images.length === 1 ? zoom : 1;
  const side = gridSide(config.vision);
  const grid = { rows: side * tiles, columns: side * tiles };
  const firstPatch = prompt.visual.first + prompt.visual.count - side ** 2;
  const place = { first: firstPatch, patches: { rows: side, columns: side }, grid };
  const keys: Float32Array[] = [];
  const values: Float32Array[] = [];
  let first: EngineTensor | undefined;
  for (const [index, image] of images.entries()) {
    await letOthersRun(signal);
    const { features } = await encodeTiles(
      engine,
      config,
      { pixels: small[index]!.pixels, tiles: 1 },
      undefined,
      signal,
    );
    first ??= features;
    const large = tiles === 1 ? undefined : prepareImage(image, enlargedSettings(processor, tiles));
    const read = large
      ? (await encodeTiles(engine, config, { pixels: large.pixels, tiles }, undefined, signal)).features
      : features;
    const angles = engine.highResolutionRotary(rotary, place, prompt.ids.length);
    const fetched = await engine.projectHighResolution(layer, read, angles);
    keys.push(engine.read(fetched.keys).slice());
    values.push(engine.read(fetched.values).slice());
  }
  const { heads: queryHeads, keyValueHeads, headSize } = config.decoder;
  return {
    shape: { queryHeads, keyValueHeads, headSize },
    layers: attending.length,
    grid,
    keys: stack(keys),
    values: stack(values),
    ...(await ask(setting, first!, layer)),
    words:
      `Queries: text rows after the image at decoder layer ${layer}, with the first frame in the prompt. Keys and values: ` +
      `FlexAttention’s high-resolution projections (${source}), of ${imageWords(images.length)}; ${reason}`,
  };
}

/** Answers the question, then takes the query states of question and answer at the layer. */
async function ask(
  { engine, files, prompt, small, signal }: ImageSetting,
  visual: EngineTensor,
  layer: number,
): Promise<Pick<ImageParts, 'answer' | 'tokens' | 'queries'>> {
  const { checkpoint, tokenizer } = files;
  const { config } = checkpoint;
  const { pixels } = small[0]!;
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
  return { answer: run.answer, tokens: queryTokens(prompt, fed), queries };
}
