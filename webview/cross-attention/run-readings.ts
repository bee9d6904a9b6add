import { crossTokens, type CrossAttention } from '../../trace/cross-attention.ts';
import type { HeadChoice, LayerChoice } from '../selection.ts';

/** The small tensors of a run, all rows at once. */
export interface ReadingTensors {
  /** [rows, layers], relative L2 norm */
  readonly change: Float32Array;
  /** [rows, layers, heads, frames], probability; absent where one image was read */
  readonly shares?: Float32Array;
}

/** What each row read before each layer. Rows are those that read; places are the axis of the layers that do. */
export class RunReadings {
  readonly rows: number;
  /** Keys that each row reads. */
  readonly tokens: number;
  readonly frames: number;

  constructor(
    readonly described: CrossAttention,
    private readonly tensors: ReadingTensors,
  ) {
    this.rows = tensors.change.length / Math.max(1, described.layers.length);
    this.tokens = crossTokens(described);
    this.frames = described.frames.length;
  }

  /** On the axis of the rows that read. @param row of the decoder; @returns undefined where it does not read */
  rowOf(row: number | undefined): number | undefined {
    if (row === undefined) return undefined;
    const reading = row - this.described.firstRow;
    return reading >= 0 && reading < this.rows ? reading : undefined;
  }

  /** Among the layers that read; empty where none of the chosen ones does. */
  placesIn({ first, last }: Pick<LayerChoice, 'first' | 'last'>): number[] {
    return this.described.layers.flatMap((layer, place) => (layer >= first && layer <= last ? [place] : []));
  }

  /** A head that the run has; their mean where the trace keeps no more, or there is no such head. */
  headOf(head: HeadChoice, of: 'maps' | 'shares'): HeadChoice {
    const { maps, heads } = this.described;
    if (of === 'maps' && maps === 'mean') return 'mean';
    return typeof head === 'number' && head >= heads ? 'mean' : head;
  }

  /**
   * Of one row, places averaged.
   * @param page [layers, maps, tokens], probability; @returns [tokens]
   */
  map(page: Float32Array, places: readonly number[], head: HeadChoice): Float32Array {
    const maps = this.described.maps === 'heads' ? this.described.heads : 1;
    return this.combine(page, places, maps === 1 ? 'mean' : this.headOf(head, 'maps'), maps, this.tokens);
  }

  /** [frames], probability, places averaged; undefined where one image was read */
  shares(row: number, places: readonly number[], head: HeadChoice): Float32Array | undefined {
    const { shares } = this.tensors;
    if (!shares || places.length === 0) return undefined;
    const size = this.described.layers.length * this.described.heads * this.frames;
    const page = shares.subarray(row * size, (row + 1) * size);
    return this.combine(page, places, this.headOf(head, 'shares'), this.described.heads, this.frames);
  }

  /** What reading added to the row before a layer, relative L2 norm. */
  change(row: number, place: number): number {
    return this.tensors.change[row * this.described.layers.length + place] ?? 0;
  }

  /** @param page [layers, maps, size] @returns [size] */
  private combine(
    page: Float32Array,
    places: readonly number[],
    head: HeadChoice,
    maps: number,
    size: number,
  ): Float32Array {
    const combined = new Float32Array(size);
    for (const place of places)
      for (let i = 0; i < size; i++) {
        let value = 0;
        if (typeof head === 'number') value = page[(place * maps + head) * size + i]!;
        else
          for (let map = 0; map < maps; map++) {
            const one = page[(place * maps + map) * size + i]!;
            value = head === 'max' ? Math.max(value, one) : value + one / maps;
          }
        combined[i]! += value / places.length;
      }
    return combined;
  }
}
