/**
 * High-resolution tokens that the decoder fetched by its own attention (FlexAttention, arXiv 2407.20228): how each layer
 * selected them at each step, where the attention went then, and what it cost. Tensors `high_resolution.*` hold the values.
 */
import type { TraceToken } from './schema.ts';

/** The groups of the last axis of `high_resolution.mass`. */
export const highResolutionGroups = ['highResolution', 'image', 'bos', 'system', 'question', 'generated'] as const;
export type HighResolutionGroup = (typeof highResolutionGroups)[number];

interface GridSize {
  readonly rows: number;
  readonly columns: number;
}

/** How a row of attention becomes selected cells. */
export type SelectionRule =
  /** Patches whose normalised attention, times 255, lies above the threshold. */
  | { readonly kind: 'threshold'; readonly threshold: number }
  /** A fixed number of the strongest patches. */
  | { readonly kind: 'count'; readonly count: number };

/** Where the low-resolution image comes from: resized by the processor from the original, or scaled down from the large one. */
export type LowResolution = 'resized' | 'scaled';

/** What chooses the cells: the attention, or a control. */
export const selectionSources = ['attention', 'random', 'centre', 'all', 'frozen', 'none'] as const;
/** `frozen` keeps what each layer selected at the first step; `none` selects nothing, which is the plain model. */
export type SelectionSource = (typeof selectionSources)[number];

export interface HighResolutionWeights {
  /**
   * `bundled` and `released` were trained for it; `copied` are the decoder's own key and value projections, which nobody
   * trained to read high-resolution tokens.
   */
  readonly kind: 'bundled' | 'released' | 'copied';
  /** File or place that they came from, for the reader. */
  readonly source: string;
  /** How far they are from the decoder's own projections, relative Frobenius norm; absent where not measured. */
  readonly distances?: readonly { readonly layer: number; readonly keys: number; readonly values: number }[];
}

/** Wall clock in milliseconds. */
export interface HighResolutionTimes {
  /** Tiles through the vision tower and projector. */
  readonly encode: number;
  /** Keys and values of all high-resolution tokens, all attending layers, once. */
  readonly project: number;
  /**
   * Keys and values of the tokens that one step selected, projected anew as the official code does at every step: the mean of
   * all steps where that was done; where projections were kept, one layer's time, times the layers.
   */
  readonly reprojectStep?: number;
}

export interface HighResolution {
  readonly variant: 'code' | 'paper';
  readonly source: SelectionSource;
  readonly rule: SelectionRule;
  /** Adaptive max pooling of the patches to `cells`; `none` where every patch is a cell of its own. */
  readonly pooling: 'adaptive-max' | 'none';
  /** Which queries see the selected tokens: the last one of each step, or all. */
  readonly rows: 'last' | 'all';
  /** Whether the selecting row comes from a softmax without (`separate`) or with (`joint`) the high-resolution keys. */
  readonly map: 'separate' | 'joint';
  /** Rotary embedding of high-resolution keys: at fractional positions, or bicubically interpolated cos and sin. */
  readonly rotary: 'fractional' | 'interpolated';
  /** `resized` if absent. */
  readonly lowResolution?: LowResolution;
  readonly grid: GridSize;
  /** What is selected; tokens belong to cells by nearest neighbour. */
  readonly cells: GridSize;
  /** Parts of the large image that went through the vision tower one by one; `side` in pixels. */
  readonly tiles: GridSize & { readonly side: number };
  /** The part of the oriented image that `grid` covers, in its pixels; beyond its edges where it was padded. */
  readonly crop: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  /** Patches at each edge whose attention was set to 0, because they show padding. */
  readonly margin: GridSize;
  /** Decoder layers that the tensors tell of, ascending: those that select or attend. */
  readonly layers: readonly number[];
  /** Those of `layers` that attend to what the layer before them selected. */
  readonly attending: readonly number[];
  readonly weights: HighResolutionWeights;
  readonly ms: HighResolutionTimes;
  /** Of projected keys and values that were kept for the run; 0 where they were projected at every step. */
  readonly cacheBytes: number;
  /** Tokens that attending layers read, mean over layers and steps. */
  readonly meanSelected: number;
  /** What the reader should know, e.g. that the image is smaller than a tile. */
  readonly notes: readonly string[];
}

/** Steps with a selection: prefill, which predicts the first answer token, and one for each further token. */
export function stepCount(run: { readonly tokens: readonly TraceToken[]; readonly promptTokens: number }): number {
  return Math.max(0, run.tokens.length - run.promptTokens);
}

/** High-resolution tokens that a cell covers; the mean where cells do not divide the grid. Counts are in `high_resolution.selected`. */
export function tokensPerCell({ grid, cells }: Pick<HighResolution, 'grid' | 'cells'>): number {
  return (grid.rows / cells.rows) * (grid.columns / cells.columns);
}

/** Intersection over union of two selections, [cells] of 0 or 1; NaN where both are empty. */
export function selectionOverlap(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [both, either] = [0, 0];
  for (let cell = 0; cell < a.length; cell++) {
    if (a[cell] && b[cell]) both++;
    if (a[cell] || b[cell]) either++;
  }
  return both / either;
}

/** Nearest neighbour: 1 for each high-resolution token whose cell is selected. @returns [rows x columns] */
export function selectedTokens(
  selected: ArrayLike<number>,
  { grid, cells }: Pick<HighResolution, 'grid' | 'cells'>,
): Uint8Array {
  const mask = new Uint8Array(grid.rows * grid.columns);
  for (let row = 0; row < grid.rows; row++) {
    const cellRow = Math.floor((row * cells.rows) / grid.rows);
    for (let column = 0; column < grid.columns; column++) {
      const cell = cellRow * cells.columns + Math.floor((column * cells.columns) / grid.columns);
      if (selected[cell]) mask[row * grid.columns + column] = 1;
    }
  }
  return mask;
}
