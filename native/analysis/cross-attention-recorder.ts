/** Keeps where each row looked in the long visual input, in the trace's own layout. */
import type { CrossAttention } from '../../trace/cross-attention.ts';
import { fromHalf, storeHalves } from '../../trace/half.ts';
import { bytesOf, type TraceTensors } from '../../trace/writer.ts';
import type { CrossAttentionResult } from '../engine/engine.ts';

export interface CrossAttentionShape {
  readonly layers: number;
  readonly heads: number;
  readonly tokens: number;
  /** 0 for one image in high resolution. */
  readonly frames: number;
}

interface RecordedRow {
  /** [layers, maps, tokens], half precision */
  maps: Uint16Array;
  /** [layers, heads, frames] */
  readonly shares: Float32Array;
  /** [layers] */
  readonly change: Float32Array;
}

/** Maps of every head are kept while they stay below this, so that a trace with everything else stays below 60 MB. */
const mostMapBytes = 40_000_000;

export class CrossAttentionRecorder {
  private readonly rows: RecordedRow[] = [];
  private current: RecordedRow[] = [];
  private keepsHeads: boolean;
  /** The largest amount by which a recorded row misses 1. */
  largestMiss = 0;

  constructor(
    private readonly shape: CrossAttentionShape,
    private readonly limit = mostMapBytes,
  ) {
    this.keepsHeads = shape.frames === 0;
  }

  /** Maps of frames are always means over heads: there are as many keys as in several large images. */
  get maps(): CrossAttention['maps'] {
    return this.keepsHeads ? 'heads' : 'mean';
  }

  /** @param place of the layer among those that read; @param result of as many rows in every layer of a step */
  add(place: number, { probabilities, change }: CrossAttentionResult): void {
    if (!probabilities || !change) return;
    const { layers, heads, tokens, frames } = this.shape;
    const rows = change.length;
    if (this.current.length === 0) {
      if (this.keepsHeads && (this.rows.length + rows) * layers * heads * tokens * 2 > this.limit) this.mergeHeads();
      this.current = Array.from({ length: rows }, () => ({
        maps: new Uint16Array(layers * (this.keepsHeads ? heads : 1) * tokens),
        shares: new Float32Array(layers * heads * frames),
        change: new Float32Array(layers),
      }));
    }
    this.current.forEach((row, index) => {
      row.change[place] = change[index]!;
      const mean = new Float32Array(this.keepsHeads ? 0 : tokens);
      for (let head = 0; head < heads; head++) {
        const start = (head * rows + index) * tokens;
        const own = probabilities.subarray(start, start + tokens);
        if (this.keepsHeads) this.store(own, row.maps, place * heads + head);
        else for (let token = 0; token < tokens; token++) mean[token]! += own[token]! / heads;
        this.addShares(own, row.shares, place * heads + head);
      }
      if (!this.keepsHeads) this.store(mean, row.maps, place);
    });
  }

  /** Rows count only once their step is whole, so that an interrupted one leaves none. */
  finishStep(): void {
    this.rows.push(...this.current);
    this.current = [];
  }

  tensors(): TraceTensors {
    const { layers, heads, tokens, frames } = this.shape;
    const [rows, kept] = [this.rows.length, this.keepsHeads ? heads : 1];
    const maps = new Uint16Array(rows * layers * kept * tokens);
    const shares = new Float32Array(rows * layers * heads * frames);
    const change = new Float32Array(rows * layers);
    this.rows.forEach((row, index) => {
      maps.set(row.maps, index * row.maps.length);
      shares.set(row.shares, index * row.shares.length);
      change.set(row.change, index * layers);
    });
    return {
      'cross_attention.to_tokens': { dtype: 'F16', shape: [rows, layers, kept, tokens], data: bytesOf(maps) },
      'cross_attention.change': { dtype: 'F32', shape: [rows, layers], data: bytesOf(change) },
      ...(frames > 0 && {
        'cross_attention.frame_share': { dtype: 'F32', shape: [rows, layers, heads, frames], data: bytesOf(shares) },
      }),
    };
  }

  private store(values: Float32Array, maps: Uint16Array, place: number): void {
    const { tokens } = this.shape;
    const sum = storeHalves(values, maps.subarray(place * tokens, (place + 1) * tokens));
    this.largestMiss = Math.max(this.largestMiss, Math.abs(sum - 1));
  }

  /** @param own [tokens], frames one after another */
  private addShares(own: Float32Array, shares: Float32Array, place: number): void {
    const { tokens, frames } = this.shape;
    const perFrame = tokens / Math.max(1, frames);
    for (let frame = 0; frame < frames; frame++) {
      let share = 0;
      for (let token = frame * perFrame; token < (frame + 1) * perFrame; token++) share += own[token]!;
      shares[place * frames + frame] = share;
    }
  }

  /** The answer became too long to keep every head. */
  private mergeHeads(): void {
    const { layers, heads, tokens } = this.shape;
    this.keepsHeads = false;
    for (const row of this.rows) {
      const values = fromHalf(row.maps);
      row.maps = new Uint16Array(layers * tokens);
      for (let place = 0; place < layers; place++) {
        const mean = Float32Array.from({ length: tokens }, (_, token) => {
          let sum = 0;
          for (let head = 0; head < heads; head++) sum += values[(place * heads + head) * tokens + token]!;
          return sum / heads;
        });
        this.store(mean, row.maps, place);
      }
    }
  }
}

/** The most bytes that maps and shares of so many rows take in a trace. */
export function crossAttentionBytes({ layers, heads, tokens, frames }: CrossAttentionShape, rows: number): number {
  const perMap = rows * layers * tokens * 2;
  const whole =
    perMap * heads <= mostMapBytes && frames === 0 ? perMap * heads : Math.max(perMap, frames > 0 ? 0 : mostMapBytes);
  return whole + rows * layers * (heads * frames + 1) * 4;
}
