/**
 * Multiply-accumulates of reading an image in high resolution, by FlexAttention and by its rivals, so that they can be
 * compared at equal resolution. The paper (section 3.3) compares complexities: O((M + N) · N · D) for hierarchical attention, where
 * the M selected tokens are keys only, against O((M + N)² · D) where they are part of the sequence.
 */
import { crossAttentionImages, crossAttentionMacs } from './cross-attention-costs.ts';
import type { HighResolution } from './high-resolution.ts';
import type { RunMetadata } from './schema.ts';
import { decodeMacs, keyValueBytes, type LayerSize, type MacFormula, prefillMacs, visionMacs } from './costs.ts';

export const complexityText = {
  flexAttention: 'O((M + N) · N · D)',
  llavaHd: 'O((M + N)² · D)',
} as const;

export interface ResolutionCosts {
  readonly prefill: number;
  /** One decode step. */
  readonly step: number;
}

export interface ComparedSize extends LayerSize {
  readonly formula: MacFormula;
  /** Decoder layers in all, and those that read high-resolution tokens. */
  readonly layers: number;
  readonly attending: number;
  /** Tokens of the low-resolution prompt, text included. */
  readonly sequence: number;
  /** Text tokens of the prompt. */
  readonly text: number;
  readonly highResolutionTokens: number;
  /** M, mean over layers and steps. */
  readonly selected: number;
}

export function lowResolutionCosts({ formula, layers, sequence, ...size }: ComparedSize): ResolutionCosts {
  return {
    prefill: layers * prefillMacs(formula, sequence, size),
    step: layers * decodeMacs(formula, sequence + 1, size),
  };
}

/** Keys and values of all tokens projected once, and kept. `allRows`: every query of prefill sees the selected tokens. */
export function flexAttentionCosts(size: ComparedSize, allRows = false): ResolutionCosts {
  const { attending, hiddenSize, highResolutionTokens, selected, sequence } = size;
  const low = lowResolutionCosts(size);
  const project = attending * 2 * highResolutionTokens * hiddenSize ** 2;
  const readOnce = attending * 2 * selected * hiddenSize;
  return { prefill: low.prefill + project + readOnce * (allRows ? sequence : 1), step: low.step + readOnce };
}

/** As the official code does: the selected tokens are projected anew in every layer at every step. */
export function reprojectingCosts(size: ComparedSize): ResolutionCosts {
  const { attending, hiddenSize, selected, sequence } = size;
  const low = lowResolutionCosts(size);
  const project = attending * 2 * selected * hiddenSize ** 2;
  return {
    prefill: low.prefill + project + attending * 2 * sequence * selected * hiddenSize,
    step: low.step + project + attending * 2 * selected * hiddenSize,
  };
}

/** All high-resolution tokens stand in the sequence, in place of the low-resolution ones. */
export function llavaHdCosts(size: ComparedSize): ResolutionCosts {
  return lowResolutionCosts({ ...size, sequence: size.text + size.highResolutionTokens });
}

/**
 * Every query reads all high-resolution tokens through cross-attention in as many layers as FlexAttention does, keys and values
 * kept. Ours: the paper does not say where LLaVA-XAttn's layers are.
 */
export function crossAttentionCosts(size: ComparedSize): ResolutionCosts {
  const { attending, hiddenSize, highResolutionTokens, sequence } = size;
  const low = lowResolutionCosts(size);
  const project = attending * 2 * highResolutionTokens * hiddenSize ** 2;
  const perQuery = attending * (2 * hiddenSize ** 2 + 2 * highResolutionTokens * hiddenSize);
  return { prefill: low.prefill + project + sequence * perQuery, step: low.step + perQuery };
}

/** Vision tower over all tiles of the large image, up to the layer that the projector reads. */
export function tileMacs(
  { tiles }: Pick<HighResolution, 'tiles'>,
  { vision }: Pick<RunMetadata['model'], 'vision'>,
  patchesPerTile: number,
): number | undefined {
  if (vision.intermediateSize === undefined) return undefined;
  const size = { hiddenSize: vision.hiddenSize, intermediateSize: vision.intermediateSize };
  const layers = Math.max(...vision.featureLayers) + 1;
  return tiles.rows * tiles.columns * layers * visionMacs(patchesPerTile + 1, size);
}

const floatBytes = 4;

/** The vision tower's work beside the prompt's image: tiles or frames of whatever the run read; undefined as for `tileMacs`. */
export function furtherVisionMacs(
  run: Pick<RunMetadata, 'model' | 'visual' | 'highResolution' | 'crossAttention'>,
): number | undefined {
  const patches = run.visual.grid.rows * run.visual.grid.columns;
  const images = crossAttentionImages(run);
  if (run.highResolution) return tileMacs(run.highResolution, run.model, patches);
  return images > 0 ? tileMacs({ tiles: { rows: 1, columns: images, side: 1 } }, run.model, patches) : 0;
}

/**
 * MACs that a run spent on reading high-resolution tokens or frames, beyond what its layers compute anyway: projecting their keys
 * and values, once where they were kept, and attending to them. From the mean number read; 0 for a run that read none.
 */
export function readingMacs({
  model,
  promptTokens,
  crossAttention,
  highResolution,
  reduction,
}: Pick<RunMetadata, 'model' | 'promptTokens' | 'crossAttention' | 'highResolution' | 'reduction'>): {
  readonly prefill: number;
  readonly decode: number;
} {
  const { decoder } = model;
  if (crossAttention) {
    const { project, prefill, decode } = crossAttentionMacs({
      model,
      promptTokens,
      crossAttention,
      ...(reduction && { reduction }),
    });
    return { prefill: project + prefill, decode };
  }
  if (!highResolution || !reduction) return { prefill: 0, decode: 0 };
  const { attending, cacheBytes, grid, meanSelected, rows } = highResolution;
  const tokens = grid.rows * grid.columns;
  const project = 2 * decoder.hiddenSize ** 2;
  const keptLayers = cacheBytes / (tokens * keyValueBytes(decoder, floatBytes));
  const anew = keptLayers > 0 ? 0 : attending.length * meanSelected * project;
  const read = 2 * meanSelected * decoder.hiddenSize;
  const queries = attending.reduce((sum, layer) => sum + (rows === 'all' ? reduction.layers[layer]!.sequence : 1), 0);
  return {
    prefill: keptLayers * tokens * project + anew + queries * read,
    decode: reduction.decodeSteps * (anew + attending.length * read),
  };
}

export interface ResolutionComparison {
  readonly formula: MacFormula;
  /** Encoding the tiles, which all but the low resolution have to do. */
  readonly tiles: number;
  readonly lowResolution: ResolutionCosts;
  readonly flexAttention: ResolutionCosts;
  /** FlexAttention as the official code runs it. */
  readonly reprojecting: ResolutionCosts;
  readonly crossAttention: ResolutionCosts;
  readonly llavaHd: ResolutionCosts;
}

/** By formula, for the sizes of a run, all visual tokens in the sequence; undefined where the trace lacks the MLP's width. */
export function resolutionComparison(
  formula: MacFormula,
  run: Pick<RunMetadata, 'model' | 'visual' | 'promptTokens'> & { readonly highResolution: HighResolution },
): ResolutionComparison | undefined {
  const { model, visual, promptTokens, highResolution } = run;
  const { layers, hiddenSize, intermediateSize } = model.decoder;
  const tiles = tileMacs(highResolution, model, visual.grid.rows * visual.grid.columns);
  if (intermediateSize === undefined || tiles === undefined) return undefined;
  const { grid, attending, meanSelected, rows } = highResolution;
  const size: ComparedSize = {
    formula,
    hiddenSize,
    intermediateSize,
    layers,
    attending: attending.length,
    sequence: promptTokens + visual.count,
    text: promptTokens,
    highResolutionTokens: grid.rows * grid.columns,
    selected: meanSelected,
  };
  return {
    formula,
    tiles,
    lowResolution: lowResolutionCosts(size),
    flexAttention: flexAttentionCosts(size, rows === 'all'),
    reprojecting: reprojectingCosts(size),
    crossAttention: crossAttentionCosts(size),
    llavaHd: llavaHdCosts(size),
  };
}
