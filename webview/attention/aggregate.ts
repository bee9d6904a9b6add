import type { HeadChoice, LayerChoice } from '../selection.ts';

/** How the attention of one row lies in memory and what of it is left out. */
export interface RowMaps {
  readonly heads: number;
  readonly patches: number;
  /** Visual tokens before the first patch, skipped. */
  readonly leading: number;
  /** [heads, leading + patches], probability */
  layer(layer: number): Float32Array;
  /** Probability that the row of this layer and head spends on hidden text, 0 when none is hidden. */
  hiddenText(layer: number, head: number): number;
  /** [patches], 1 where a patch is hidden; null when none is. */
  hiddenPatches(layer: number): Uint8Array | null;
}

export interface PatchMap {
  /** [patches], probability; of what is not hidden, where something is */
  readonly values: Float32Array;
  readonly maximum: number;
  /** Index of the largest value. */
  readonly peak: number;
  /** Sum of `values`: what the row spends on the image. */
  readonly sum: number;
  /** Probability spent on hidden text and on hidden patches, mean over the heads and layers shown. */
  readonly hiddenText: number;
  readonly hiddenPatches: number;
}

interface Layered {
  readonly values: Float32Array;
  readonly hiddenText: number;
  readonly hiddenPatches: number;
}

/** One head as recorded, or renormalised to what is not hidden. */
function headMap(maps: RowMaps, layer: number, head: number): Layered {
  const width = maps.leading + maps.patches;
  const start = head * width + maps.leading;
  const values = maps.layer(layer).slice(start, start + maps.patches);
  return hide(values, maps.hiddenText(layer, head), maps.hiddenPatches(layer));
}

/** Takes hidden patches out and scales the rest, so that the row sums to 1 again. Changes `values`. */
function hide(values: Float32Array, hiddenText: number, hidden: Uint8Array | null): Layered {
  let hiddenPatches = 0;
  if (hidden)
    for (let i = 0; i < values.length; i++)
      if (hidden[i]) {
        hiddenPatches += values[i]!;
        values[i] = 0;
      }
  const rest = 1 - hiddenText - hiddenPatches;
  // A row that reads nothing but what is hidden has no rest to show.
  if (rest < 1e-6) values.fill(0);
  else if (rest !== 1) for (let i = 0; i < values.length; i++) values[i]! /= rest;
  return { values, hiddenText, hiddenPatches };
}

/**
 * The heads of one layer put together. The mean of heads is a distribution itself and is renormalised as one; for the
 * maximum each head is renormalised before.
 */
function layerMap(maps: RowMaps, layer: number, choice: HeadChoice): Layered {
  if (typeof choice === 'number') return headMap(maps, layer, choice);
  const { heads, patches, leading } = maps;
  const combined = new Float32Array(patches);
  let hiddenText = 0;
  let hiddenPatches = 0;
  if (choice === 'mean') {
    const page = maps.layer(layer);
    for (let head = 0; head < heads; head++) {
      const start = head * (leading + patches) + leading;
      for (let i = 0; i < patches; i++) combined[i]! += page[start + i]!;
      hiddenText += maps.hiddenText(layer, head) / heads;
    }
    for (let i = 0; i < patches; i++) combined[i]! /= heads;
    return hide(combined, hiddenText, maps.hiddenPatches(layer));
  }
  for (let head = 0; head < heads; head++) {
    const one = headMap(maps, layer, head);
    for (let i = 0; i < patches; i++) combined[i] = Math.max(combined[i]!, one.values[i]!);
    hiddenText += one.hiddenText / heads;
    hiddenPatches += one.hiddenPatches / heads;
  }
  return { values: combined, hiddenText, hiddenPatches };
}

/** The attention of one row to every patch, over the chosen layers and heads: heads first, then layers. */
export function aggregate(maps: RowMaps, layers: LayerChoice, head: HeadChoice): PatchMap {
  const { first, last, over } = layers;
  const number = last - first + 1;
  const start = layerMap(maps, first, head);
  const { values } = start;
  let { hiddenText, hiddenPatches } = start;
  for (let layer = first + 1; layer <= last; layer++) {
    const next = layerMap(maps, layer, head);
    for (let i = 0; i < values.length; i++)
      values[i] = over === 'max' ? Math.max(values[i]!, next.values[i]!) : values[i]! + next.values[i]!;
    hiddenText += next.hiddenText;
    hiddenPatches += next.hiddenPatches;
  }
  if (over === 'mean' && number > 1) for (let i = 0; i < values.length; i++) values[i]! /= number;
  return { ...summarise(values), hiddenText: hiddenText / number, hiddenPatches: hiddenPatches / number };
}

export function summarise(values: Float32Array): Pick<PatchMap, 'values' | 'maximum' | 'peak' | 'sum'> {
  let peak = 0;
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    sum += values[i]!;
    if (values[i]! > values[peak]!) peak = i;
  }
  return { values, maximum: values[peak] ?? 0, peak, sum };
}

/** Mean over heads of what a row reads from each group: [groups], probability. `mass` is [layers, heads, groups]. */
export function massOf(
  mass: Float32Array,
  heads: number,
  groups: number,
  layers: Pick<LayerChoice, 'first' | 'last'>,
  head: HeadChoice,
): Float32Array {
  const sums = new Float32Array(groups);
  const chosen = typeof head === 'number' ? [head] : Array.from({ length: heads }, (_, i) => i);
  const count = chosen.length * (layers.last - layers.first + 1);
  for (let layer = layers.first; layer <= layers.last; layer++)
    for (const one of chosen)
      for (let group = 0; group < groups; group++)
        sums[group]! += mass[(layer * heads + one) * groups + group]! / count;
  return sums;
}
