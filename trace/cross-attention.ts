/**
 * A long visual input that text rows read through gated cross-attention (LLaVA-XAttn): which input, before which decoder layers, where
 * each row looked. Tensors `cross_attention.*` hold the values.
 */
import type { RunMetadata } from './schema.ts';

interface GridSize {
  readonly rows: number;
  readonly columns: number;
}

export interface CrossAttentionFrame {
  /** File, and which of its frames. */
  readonly name: string;
  /** Which of all frames that there were, from 1. */
  readonly number: number;
  /** Its picture, as the vision tower saw it: encoded, in `cross_attention.pictures`. Pixels and bytes. */
  readonly mime: 'image/webp';
  readonly width: number;
  readonly height: number;
  readonly offset: number;
  readonly bytes: number;
}

export interface CrossAttention {
  /** One image in high resolution, or frames one after another. */
  readonly input: 'high-resolution' | 'frames';
  /** Decoder layers before which rows read, ascending. */
  readonly layers: readonly number[];
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  /** [layers], tanh of the trained gate: what is read is multiplied by it before it is added. −1 to 1 */
  readonly gates: readonly number[];
  /** The first row that reads; those before it stand before the image. */
  readonly firstRow: number;
  /** Tokens of the large image, or of each frame. */
  readonly grid: GridSize;
  /** Parts of the large image that went through the vision tower one by one; `side` in pixels. One for a frame. */
  readonly tiles: GridSize & { readonly side: number };
  /** The part of the oriented image that `grid` covers, in its pixels; of the first frame. */
  readonly crop: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  /** Whether `cross_attention.to_tokens` has a map for each head, or their mean. */
  readonly maps: 'heads' | 'mean';
  /** Those that were read, in their order; empty for one image in high resolution. */
  readonly frames: readonly CrossAttentionFrame[];
  /** Frames that there were. */
  readonly framesAvailable: number;
  /** Files and folders that the frames came from, absolute; what makes the run again. */
  readonly sources: readonly string[];
  /** File of the weights. */
  readonly weights: string;
  /** Wall clock, milliseconds: tiles or frames through the vision tower and projector; keys and values of all layers, once; and reading, all rows. */
  readonly ms: { readonly encode: number; readonly project: number; readonly read: number };
  /** Of keys and values, kept for the run. */
  readonly cacheBytes: number;
  readonly notes: readonly string[];
}

/** Keys that every row reads. */
export function crossTokens({ grid, frames }: Pick<CrossAttention, 'grid' | 'frames'>): number {
  return grid.rows * grid.columns * Math.max(1, frames.length);
}

/** Rows that read. */
export function crossRows(run: Pick<RunMetadata, 'tokens' | 'crossAttention'>): number {
  const { tokens, crossAttention } = run;
  return crossAttention ? Math.max(0, tokens.length - 1 - crossAttention.firstRow) : 0;
}

/** Maps of each row and layer. */
export function crossMaps({ maps, heads }: Pick<CrossAttention, 'maps' | 'heads'>): number {
  return maps === 'heads' ? heads : 1;
}
