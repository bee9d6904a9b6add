/**
 * Images through the model's own cross-attention: text rows ask as they do while the model answers, and the tokens of a
 * high-resolution image or of all frames are keys and values of one layer.
 */
import type { CrossAttentionInput } from '../analysis/cross-attention-input.ts';
import { CrossAttentionRun } from '../analysis/cross-attention-run.ts';
import { encodeTiles } from '../analysis/high-resolution-image.ts';
import { enlargedSettings } from '../analysis/high-resolution-input.ts';
import { runModel } from '../analysis/model-run.ts';
import type { CrossAttentionWeights } from '../checkpoint/cross-attention-weights.ts';
import { gridSide } from '../checkpoint/model-config.ts';
import { normalizePixels, prepareImage } from '../image/preprocess.ts';
import { type ImageParts, type ImageSetting, imageWords, longestAnswer, queryTokens, stack } from './image-parts.ts';

/** @param layer before which text reads */
export async function crossAttentionParts(
  setting: ImageSetting,
  weights: CrossAttentionWeights,
  layer: number,
): Promise<ImageParts> {
  const { engine, files, prompt, images, small, signal } = setting;
  const { checkpoint, processor, tokenizer } = files;
  const { config } = checkpoint;
  const { layers, heads, keyValueHeads, headSize, mostFrames, tiles, source } = weights.description;
  const [first] = small;
  const large = images.length === 1 ? prepareImage(images[0]!, enlargedSettings(processor, tiles)) : undefined;
  const input: CrossAttentionInput = {
    plan: { input: 'auto', mostFrames, layers, tiles, notes: [] },
    weights,
    ...(large && { large: { pixels: large.pixels, tiles } }),
    frames: large
      ? []
      : small.map(({ rgb, width }, index) => ({ name: images[index]!.name, number: index + 1, rgb, side: width })),
    framesAvailable: large ? 0 : images.length,
    sources: [],
    pixelsOf: ({ rgb }) => normalizePixels(rgb, processor),
    crop: first!.crop,
    notes: [],
  };
  const { features } = await encodeTiles(engine, config, { pixels: first!.pixels, tiles: 1 }, undefined, signal);
  const options = { signal, traced: false, queriesBefore: layer };
  const reading = await CrossAttentionRun.prepare(engine, { config, prompt }, input, features, options);
  const run = await runModel(
    engine,
    {
      ...{ config, tokenizer, prompt, pixels: first!.pixels, maxNewTokens: longestAnswer },
      sampling: { mode: 'greedy' },
      crossAttention: reading,
    },
    { signal },
  );
  const side = gridSide(config.vision) * (large ? tiles : 1);
  const { keys, values } = reading.keysBefore(layer);
  return {
    shape: { queryHeads: heads, keyValueHeads, headSize },
    layers: layers.length,
    grid: { rows: side, columns: side },
    keys: engine.read(keys),
    values: engine.read(values),
    queries: stack(reading.queries),
    // The last token is never fed, so it has no queries.
    tokens: queryTokens(prompt, run.generated.slice(0, -1)),
    answer: run.answer,
    words:
      `Queries: text rows after the image, before decoder layer ${layer}, with the first frame in the prompt. Keys and values: ` +
      `the model’s own cross-attention (${source}) before that layer, of ${imageWords(images.length)}`,
  };
}
