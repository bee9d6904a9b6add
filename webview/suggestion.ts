import { highResolutionGroups, stepCount } from '../trace/high-resolution.ts';
import { massGroups, rowCount, type RunMetadata } from '../trace/schema.ts';
import { aggregate, type RowMaps } from './attention/aggregate.ts';
import type { AttentionPages } from './attention/pages.ts';
import { shownRow } from './attention/rows.ts';
import type { Selection } from './selection.ts';

/** Masses of all rows are looked through up to this many bytes. */
const largestMass = 4 * 2 ** 20;

/**
 * Where to look first: the token of the answer whose row reads most from the image, at the layer in which that row's
 * attention, mean of heads, is most concentrated; where high-resolution tokens were fetched, where most was read of them.
 */
export async function suggestSelection(metadata: RunMetadata, pages: AttentionPages): Promise<Partial<Selection>> {
  const { layers } = metadata.model.decoder;
  const detailed = await mostDetailed(metadata, pages);
  if (detailed) return { ...detailed, visionLayer: featureLayer(metadata) };
  const changed = await mostChanged(metadata, pages);
  if (changed) return { ...changed, visionLayer: featureLayer(metadata) };
  const token = await mostVisualToken(metadata, pages);
  const { row, beforeImage } = shownRow(token, 'predicts', metadata);
  const middle = { token, layers: { first: layers >> 1, last: layers >> 1, over: 'mean' as const } };
  if (row === undefined || beforeImage || !pages.wholeRows) return middle;
  await pages.rowImage(row, 0, layers - 1);
  const blocks = await pages.rowImage(row, 0, layers - 1);
  if (!isBlocks(blocks)) return middle;
  const maps: RowMaps = {
    heads: metadata.model.decoder.heads,
    patches: metadata.visual.grid.rows * metadata.visual.grid.columns,
    leading: metadata.visual.leading,
    layer: layer => blocks[layer]!,
    hiddenText: () => 0,
    hiddenPatches: () => null,
  };
  let [best, most] = [0, -1];
  for (let layer = 0; layer < layers; layer++) {
    const { maximum } = aggregate(maps, { first: layer, last: layer, over: 'mean' }, 'mean');
    if (maximum > most) [best, most] = [layer, maximum];
  }
  return { token, layers: { first: best, last: best, over: 'mean' }, visionLayer: featureLayer(metadata) };
}

/** Of a run that fetched high-resolution tokens, the step and layer that read most from them. */
async function mostDetailed(metadata: RunMetadata, pages: AttentionPages): Promise<Partial<Selection> | undefined> {
  const { highResolution, promptTokens, model } = metadata;
  const { heads } = model.decoder;
  if (!highResolution || !pages.holds('high_resolution.mass')) return undefined;
  const { layers, attending } = highResolution;
  const groups = highResolutionGroups.length;
  if (stepCount(metadata) * layers.length * heads * groups * 4 > largestMass) return undefined;
  const mass = await pages.cache.fetch('high_resolution.mass', []);
  let most = 0;
  let found: Partial<Selection> | undefined;
  for (let step = 0; step < stepCount(metadata); step++)
    for (const layer of attending) {
      let sum = 0;
      for (let head = 0; head < heads; head++)
        sum += mass[((step * layers.length + layers.indexOf(layer)) * heads + head) * groups]!;
      if (sum <= most) continue;
      most = sum;
      found = { token: promptTokens + step, layers: { first: layer, last: layer, over: 'mean' } };
    }
  return found;
}

/** Of a run with cross-attention, the word of the answer and the layer for which reading changed most; whole words first. */
async function mostChanged(metadata: RunMetadata, pages: AttentionPages): Promise<Partial<Selection> | undefined> {
  const { crossAttention, promptTokens, tokens } = metadata;
  if (!crossAttention || !pages.holds('cross_attention.change')) return undefined;
  const { layers, firstRow } = crossAttention;
  const change = await pages.cache.fetch('cross_attention.change', []);
  let most = -1;
  let found: Partial<Selection> | undefined;
  for (let token = promptTokens; token < tokens.length; token++)
    for (const [place, layer] of layers.entries()) {
      const value = change[(token - 1 - firstRow) * layers.length + place];
      if (value === undefined) continue;
      const weight = wordiness(tokens[token]!.text) + value / (1 + value);
      if (weight <= most) continue;
      most = weight;
      found = { token, layers: { first: layer, last: layer, over: 'mean' } };
    }
  return found;
}

async function mostVisualToken(metadata: RunMetadata, pages: AttentionPages): Promise<number> {
  const first = Math.min(metadata.promptTokens, metadata.tokens.length - 1);
  const { layers, heads } = metadata.model.decoder;
  const perRow = layers * heads * massGroups.length;
  const rows = rowCount(metadata);
  if (rows * perRow * 4 > largestMass) return Math.max(0, first);
  const mass = await pages.cache.fetch('decoder.attention_mass', []);
  const image = massGroups.indexOf('image');
  let [best, most] = [Math.max(0, first), -1];
  for (let token = metadata.promptTokens; token < metadata.tokens.length; token++) {
    const { row } = shownRow(token, 'predicts', metadata);
    if (row === undefined) continue;
    let sum = wordiness(metadata.tokens[token]!.text) * perRow;
    for (let i = row * perRow + image; i < (row + 1) * perRow; i += massGroups.length) sum += mass[i]!;
    if (sum > most) [best, most] = [token, sum];
  }
  return best;
}

/** Whole words say more to begin with than their parts, than "the" and than punctuation and `</s>`. */
function wordiness(text: string): 0 | 1 | 2 {
  if (/^\s\p{L}{4,}$/u.test(text)) return 2;
  return /[\p{L}\p{N}]/u.test(text) && !/^<.*>$/.test(text) ? 1 : 0;
}

const featureLayer = ({ model }: RunMetadata): number =>
  Math.max(0, Math.min(model.vision.layers - 1, model.vision.featureLayers.at(-1) ?? model.vision.layers - 1));

const isBlocks = (value: unknown): value is Float32Array[] =>
  Array.isArray(value) && value.every(block => block instanceof Float32Array);
