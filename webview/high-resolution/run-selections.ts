import {
  highResolutionGroups,
  selectionOverlap,
  tokensPerCell,
  type HighResolution,
} from '../../trace/high-resolution.ts';

/** The small tensors of a run, all steps at once; what the trace leaves out is absent. */
export interface SelectionTensors {
  /** [steps, layers, cells] */
  readonly cells: Uint8Array;
  /** [steps, layers, heads, groups] */
  readonly mass?: Float32Array;
  /** [steps, layers] */
  readonly change?: Float32Array;
  /** [steps, layers, 2] */
  readonly range?: Float32Array;
}

const groups = highResolutionGroups.length;

/**
 * What each layer read at each step. Layers are the decoder's; a layer reads what the layer before it selected, so everything
 * here is told of the layer that reads.
 */
export class RunSelections {
  readonly steps: number;
  /** High-resolution tokens of the whole image. */
  readonly tokens: number;
  readonly tokensPerCell: number;
  readonly cells: number;
  private readonly places: ReadonlyMap<number, number>;
  private readonly counts: Int32Array;
  private readonly overlaps = new Map<string, number>();

  constructor(
    readonly described: HighResolution,
    private readonly heads: number,
    private readonly tensors: SelectionTensors,
  ) {
    const { grid, cells, layers } = described;
    this.tokens = grid.rows * grid.columns;
    this.cells = cells.rows * cells.columns;
    this.tokensPerCell = tokensPerCell(described);
    this.steps = tensors.cells.length / Math.max(1, layers.length * this.cells);
    this.places = new Map(layers.map((layer, place) => [layer, place]));
    this.counts = new Int32Array(this.steps * layers.length);
    for (let index = 0; index < this.counts.length; index++)
      this.counts[index] = tensors.cells
        .subarray(index * this.cells, (index + 1) * this.cells)
        .reduce((sum, cell) => sum + cell, 0);
  }

  /** Whether the layer reads high-resolution tokens. */
  reads(layer: number): boolean {
    return this.described.attending.includes(layer);
  }

  /** On the axis of the trace's layers; −1 where it tells nothing of the layer. */
  placeOf(layer: number): number {
    return this.places.get(layer) ?? -1;
  }

  /** A layer's part of a page of one step, [layers, …]; null where the trace has none. */
  rowOf(page: Float32Array | null, layer: number): Float32Array | null {
    const place = this.placeOf(layer);
    if (!page || place < 0) return null;
    const size = page.length / this.described.layers.length;
    return page.subarray(place * size, (place + 1) * size);
  }

  /** [cells] of 0 or 1 that the layer may read, as selected by the layer before it; undefined where it reads none */
  cellsRead(step: number, layer: number): Uint8Array | undefined {
    const index = this.selectorIndex(step, layer);
    return index < 0 ? undefined : this.tensors.cells.subarray(index * this.cells, (index + 1) * this.cells);
  }

  cellCount(step: number, layer: number): number | undefined {
    const index = this.selectorIndex(step, layer);
    return index < 0 ? undefined : this.counts[index];
  }

  tokenCount(step: number, layer: number): number | undefined {
    const cells = this.cellCount(step, layer);
    return cells === undefined ? undefined : Math.round(cells * this.tokensPerCell);
  }

  /** Intersection over union with what the same layer read one step earlier; undefined at the first step. */
  overlapWithStep(step: number, layer: number): number | undefined {
    return this.overlap(step, layer, step - 1, layer);
  }

  /** The same with what the reading layer before this one read at this step; undefined for the first. */
  overlapWithLayer(step: number, layer: number): number | undefined {
    const { attending } = this.described;
    const before = attending[attending.indexOf(layer) - 1];
    return before === undefined ? undefined : this.overlap(step, layer, step, before);
  }

  /** [groups], probability, mean over heads, in the order of `highResolutionGroups` */
  masses(step: number, layer: number): Float32Array | undefined {
    const { mass } = this.tensors;
    const index = this.index(step, layer);
    if (!mass || index < 0) return undefined;
    const mean = new Float32Array(groups);
    for (let head = 0; head < this.heads; head++)
      for (let group = 0; group < groups; group++)
        mean[group]! += mass[(index * this.heads + head) * groups + group]! / this.heads;
    return mean;
  }

  /** Attention on high-resolution tokens, mean over heads. */
  share(step: number, layer: number): number | undefined {
    return this.reads(layer) ? this.masses(step, layer)?.[0] : undefined;
  }

  /** How much they changed the attention output, relative L2 norm. */
  change(step: number, layer: number): number | undefined {
    const index = this.index(step, layer);
    return this.reads(layer) && index >= 0 ? this.tensors.change?.[index] : undefined;
  }

  /** Smallest and largest attention of the row by which `selector` selected, sum over heads, margin suppressed. */
  range(step: number, selector: number): readonly [number, number] | undefined {
    const { range } = this.tensors;
    const index = this.index(step, selector);
    return !range || index < 0 ? undefined : [range[index * 2]!, range[index * 2 + 1]!];
  }

  private index(step: number, layer: number): number {
    const place = this.placeOf(layer);
    return place < 0 || step < 0 || step >= this.steps ? -1 : step * this.described.layers.length + place;
  }

  private selectorIndex(step: number, layer: number): number {
    return this.reads(layer) ? this.index(step, layer - 1) : -1;
  }

  private overlap(step: number, layer: number, otherStep: number, otherLayer: number): number | undefined {
    const key = `${step} ${layer} ${otherStep} ${otherLayer}`;
    const known = this.overlaps.get(key);
    if (known !== undefined) return known;
    const [one, other] = [this.cellsRead(step, layer), this.cellsRead(otherStep, otherLayer)];
    if (!one || !other) return undefined;
    const overlap = selectionOverlap(one, other);
    this.overlaps.set(key, overlap);
    return overlap;
  }
}
