import { massGroups, rowCount, type RunMetadata, type TensorName } from '../../trace/schema.ts';
import type { Page, PageCache } from '../source/page-cache.ts';
import type { AxisRange, TensorShape } from '../source/trace-source.ts';

/** A row of all layers is one page up to this many bytes; beyond, each layer is. */
const largestRowPage = 4 * 2 ** 20;
/** A layer of all rows is read at once up to this many bytes; beyond, by bands of patches. */
const largestSlab = 8 * 2 ** 20;

const bytesPerValue = (shape: TensorShape | undefined): number => (shape?.dtype === 'F32' ? 4 : 2);

/** Which part of which tensor answers a question of the Attention view, in pages that fit any model. */
export class AttentionPages {
  private readonly heads: number;
  private readonly layers: number;
  private readonly rows: number;
  private readonly visualTokens: number;
  private readonly imageValueBytes: number;

  constructor(
    readonly cache: PageCache,
    private readonly metadata: RunMetadata,
    private readonly tensors: Readonly<Partial<Record<TensorName, TensorShape>>>,
  ) {
    this.heads = metadata.model.decoder.heads;
    this.layers = metadata.model.decoder.layers;
    this.rows = rowCount(metadata);
    this.visualTokens = metadata.visual.count;
    this.imageValueBytes = bytesPerValue(tensors['decoder.attention_to_image']);
  }

  holds(tensor: TensorName): boolean {
    return this.tensors[tensor] !== undefined;
  }

  get hasRollout(): boolean {
    return this.holds('vision.rollout');
  }

  /** Whether a row of all layers fits one page. */
  get wholeRows(): boolean {
    return this.layers * this.heads * this.visualTokens * this.imageValueBytes <= largestRowPage;
  }

  /**
   * One row's attention to the image for layers `first` to `last`, both included, as one block per layer:
   * [heads, visualTokens], probability. The blocks are here at once, or a promise tells when they are.
   */
  rowImage(row: number, first: number, last: number): Float32Array[] | Promise<unknown> {
    const perLayer = this.heads * this.visualTokens;
    if (this.wholeRows) {
      const page = this.cache.read('decoder.attention_to_image', [[row, row + 1]]);
      if (page instanceof Promise) return page;
      return Array.from({ length: last - first + 1 }, (_, i) =>
        page.subarray((first + i) * perLayer, (first + i + 1) * perLayer),
      );
    }
    const pages = Array.from({ length: last - first + 1 }, (_, i): Page => {
      const layer = first + i;
      return this.cache.read('decoder.attention_to_image', [
        [row, row + 1],
        [layer, layer + 1],
      ]);
    });
    return pages.every(page => page instanceof Float32Array)
      ? pages
      : Promise.all(pages.map(page => Promise.resolve(page)));
  }

  /** [layers, tokens], probability, mean over heads */
  rowText(row: number): Page {
    return this.cache.read('decoder.attention_to_text', [[row, row + 1]]);
  }

  /** [layers, heads, groups], probability */
  rowMass(row: number): Page {
    return this.cache.read('decoder.attention_mass', [[row, row + 1]]);
  }

  /** [visionLayers, visionHeads, patches], probability */
  clsAttention(): Page {
    return this.cache.read('vision.cls_attention', []);
  }

  /** [visionLayers, visionHeads], probability */
  clsSelf(): Page {
    return this.cache.read('vision.cls_self_attention', []);
  }

  /** [visionLayers, patches], share of CLS; absent in runs that did not compute it */
  rollout(): Page | undefined {
    return this.hasRollout ? this.cache.read('vision.rollout', []) : undefined;
  }

  /** Whether the layer's attention of every row may be read whole, as outlier patches need it. */
  get slabFits(): boolean {
    return this.rows * this.heads * this.visualTokens * this.imageValueBytes <= largestSlab;
  }

  /**
   * How every row looked at a band of patches in one layer, heads put together: [rows, end − first], probability.
   * The band is the whole grid where that fits, else the part of it around `patch`. Only the mean or maximum is kept.
   */
  band(layer: number, head: number | 'mean' | 'max', patch: number): { first: number; end: number; page: Page } {
    const { leading, grid } = this.metadata.visual;
    const patches = grid.rows * grid.columns;
    let [first, end] = [0, patches];
    if (!this.slabFits) {
      const perPatch = this.rows * this.heads * this.imageValueBytes;
      const width = Math.max(1, Math.floor(largestRowPage / perPatch));
      first = Math.floor(patch / width) * width;
      end = Math.min(patches, first + width);
    }
    const heads: AxisRange = typeof head === 'number' ? [head, head + 1] : [0, this.heads];
    const page = this.cache.derive(`band ${layer} ${head} ${first}`, async () => {
      const slab = await this.cache.fetch('decoder.attention_to_image', [
        [0, this.rows],
        [layer, layer + 1],
        heads,
        [leading + first, leading + end],
      ]);
      return combineHeads(slab, heads[1] - heads[0], end - first, head === 'max' ? 'max' : 'mean');
    });
    return { first, end, page };
  }

  /** [groups] per [layers, heads] start index in a page of `rowMass`. */
  massOffset(layer: number, head: number): number {
    return (layer * this.heads + head) * massGroups.length;
  }
}

/** @param slab [rows, heads, columns] @returns [rows, columns] */
export function combineHeads(slab: Float32Array, heads: number, columns: number, over: 'mean' | 'max'): Float32Array {
  const rows = slab.length / (heads * columns);
  const combined = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++)
    for (let head = 0; head < heads; head++) {
      const from = (row * heads + head) * columns;
      const to = row * columns;
      if (over === 'max')
        for (let i = 0; i < columns; i++) combined[to + i] = Math.max(combined[to + i]!, slab[from + i]!);
      else for (let i = 0; i < columns; i++) combined[to + i]! += slab[from + i]! / heads;
    }
  return combined;
}
