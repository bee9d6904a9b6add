import { lastStageBy, type Moment } from '../../trace/kept-patches.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { aggregate, type PatchMap, type RowMaps } from '../attention/aggregate.ts';
import { AttentionPages } from '../attention/pages.ts';
import { shownRow } from '../attention/rows.ts';
import { imageGeometry, type ImageGeometry } from '../image/geometry.ts';
import { FateSource } from '../pruning/fate-source.ts';
import { RunFates, type FateState } from '../pruning/run-fates.ts';
import type { HeadChoice, LayerChoice } from '../selection.ts';
import { loadPicture } from '../source/load-picture.ts';
import { PageCache } from '../source/page-cache.ts';
import type { TraceSource } from '../source/trace-source.ts';

/** Each compared run decodes at most this much; the panel's own run has its own pages. */
const pageBytes = 32 * 2 ** 20;

/** One run of a comparison: answers from its pages, or says what has to be read first. */
export class ComparedRun {
  readonly metadata: RunMetadata;
  picture: HTMLImageElement | null = null;
  /** Why its picture cannot be shown. */
  pictureProblem: string | undefined;
  private readonly cache: PageCache;
  private readonly pages: AttentionPages;
  private readonly fateSource: FateSource;
  private untouched: RunFates | undefined;
  private geometryOf: { side: number; geometry: ImageGeometry } | undefined;
  private pictureAsked = false;

  constructor(
    readonly address: string,
    readonly name: string,
    readonly source: TraceSource,
    pages?: AttentionPages,
  ) {
    this.metadata = source.metadata;
    this.cache = pages?.cache ?? new PageCache(source, pageBytes);
    this.fateSource = new FateSource(source);
    this.pages = pages ?? new AttentionPages(this.cache, source.metadata, source.tensors);
  }

  get patches(): number {
    const { rows, columns } = this.metadata.visual.grid;
    return rows * columns;
  }

  get layers(): number {
    return this.metadata.model.decoder.layers;
  }

  /** Whether some stage made tokens fewer, so that there are fates to compare. */
  get prunes(): boolean {
    return (this.metadata.reduction?.stages ?? []).some(({ entering, leaving }) => leaving < entering);
  }

  /** Whether it ran a method without recording what became of the tokens. */
  get unrecorded(): boolean {
    const { tensors } = this.source;
    if (!this.metadata.reduction) return this.metadata.method.name !== 'none';
    return this.metadata.reduction.stages.length > 0 && !(tensors['fates.fate'] && tensors['fates.token']);
  }

  geometry(side: number): ImageGeometry {
    if (this.geometryOf?.side !== side)
      this.geometryOf = { side, geometry: imageGeometry(this.metadata.image, this.metadata.visual.grid, side) };
    return this.geometryOf.geometry;
  }

  /** Starts to load the picture, once; `loaded` is called when it is here or cannot be. */
  wantPicture(loaded: () => void): void {
    if (this.pictureAsked) return;
    this.pictureAsked = true;
    loadPicture(this.source)
      .then(
        picture => {
          this.picture = picture;
        },
        (error: unknown) => {
          this.pictureProblem = error instanceof Error ? error.message : String(error);
        },
      )
      .finally(loaded);
  }

  /** @returns a promise when something has to be read first; null where the trace does not tell */
  fates(): RunFates | Promise<unknown> | null {
    if (this.unrecorded) return null;
    // A run that no stage acted on holds no fates.
    if (!this.source.tensors['fates.fate'])
      return (this.untouched ??= new RunFates({ stages: [] }, this.patches, { fate: new Uint8Array() }));
    return this.fateSource.read() ?? this.fateSource.fates;
  }

  /** @returns as `fates` */
  state(moment: Moment): FateState | Promise<unknown> | null {
    const fates = this.fates();
    if (!fates || fates instanceof Promise) return fates;
    return fates.state(lastStageBy(fates.stages, moment));
  }

  /** Attention of the row that predicts a token; null where there is no such row or it came before the image. */
  attention(token: number, layers: LayerChoice, head: HeadChoice): PatchMap | Promise<unknown> | null {
    const { row, beforeImage } = shownRow(token, 'predicts', this.metadata);
    if (row === undefined || beforeImage) return null;
    const last = Math.min(layers.last, this.layers - 1);
    const first = Math.min(layers.first, last);
    const blocks = this.pages.rowImage(row, first, last);
    if (!isBlocks(blocks)) return blocks;
    const maps = this.rowMaps(layer => blocks[layer - first]!);
    return aggregate(maps, { ...layers, first, last }, this.headOf(head));
  }

  /** Mean over heads, layer by layer; null where a row is too large to be read for a strip of tiles. */
  attentionByLayer(token: number): readonly PatchMap[] | Promise<unknown> | null {
    const { row, beforeImage } = shownRow(token, 'predicts', this.metadata);
    if (row === undefined || beforeImage || !this.pages.wholeRows) return null;
    const blocks = this.pages.rowImage(row, 0, this.layers - 1);
    if (!isBlocks(blocks)) return blocks;
    const maps = this.rowMaps(layer => blocks[layer]!);
    return blocks.map((_, layer) => aggregate(maps, { first: layer, last: layer, over: 'mean' }, 'mean'));
  }

  /** Attention of CLS in a layer of the vision tower, mean of heads. */
  clsAttention(layer: number): PatchMap | Promise<unknown> {
    const cls = this.pages.clsAttention();
    if (cls instanceof Promise) return cls;
    const { heads, layers } = this.metadata.model.vision;
    const size = heads * this.patches;
    const at = Math.min(layer, layers - 1);
    const maps: RowMaps = { ...this.rowMaps(() => cls.subarray(at * size, (at + 1) * size)), heads, leading: 0 };
    return aggregate(maps, { first: 0, last: 0, over: 'mean' }, 'mean');
  }

  private rowMaps(layer: (layer: number) => Float32Array): RowMaps {
    const { model, visual } = this.metadata;
    return {
      heads: model.decoder.heads,
      patches: this.patches,
      leading: visual.leading,
      layer,
      hiddenText: () => 0,
      hiddenPatches: () => null,
    };
  }

  private headOf(head: HeadChoice): HeadChoice {
    return typeof head === 'number' && head >= this.metadata.model.decoder.heads ? 'mean' : head;
  }
}

const isBlocks = (value: Float32Array[] | Promise<unknown>): value is Float32Array[] => Array.isArray(value);
