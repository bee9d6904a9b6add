import { massGroups, type RunMetadata } from '../trace/schema.ts';
import { aggregate, massOf, summarise, type PatchMap, type RowMaps } from './attention/aggregate.ts';
import { outlierPatches } from './attention/outliers.ts';
import type { AttentionPages } from './attention/pages.ts';
import { rowName, shownRow, type ShownRow } from './attention/rows.ts';
import type { Theme } from './colour/theme.ts';
import { CrossScenes } from './cross-attention/cross-scene.ts';
import { ReadingSource } from './cross-attention/reading-source.ts';
import { crossAttentionViewId } from './cross-attention/words.ts';
import { highResolutionViewId } from './high-resolution/words.ts';
import { SelectionSource } from './high-resolution/selection-source.ts';
import { shownSelection } from './high-resolution/shown-selection.ts';
import type { ImageGeometry } from './image/geometry.ts';
import type { Layout } from './layout.ts';
import { FateSource } from './pruning/fate-source.ts';
import { stageOfLayer } from './pruning/stages.ts';
import type { Built, DetailScene, Outliers, PatchReaders, Scene } from './scene.ts';
import type { TraceSource } from './source/trace-source.ts';
import { focusOf, type Focus, type HeadChoice, type Hover, type LayerChoice, type Selection } from './selection.ts';

/** Layers that are read for every row at once, to tell who looked at a patch or which patches are outliers. */
const mostSlabLayers = 8;

interface Setting {
  readonly selection: Selection;
  readonly hover: Hover;
  readonly theme: Theme;
  readonly layout: Layout;
  readonly geometry: ImageGeometry;
}

/** Turns pages of a trace into scenes. Asks for nothing that the scene does not show. */
export class SceneBuilder {
  private readonly outlierSets = new Map<number, Uint8Array>();
  private imageKey = '';
  private imageMap: PatchMap | null = null;
  private detailScene: DetailScene | null = null;
  private readonly crossScenes: CrossScenes;
  private axisKey = '';
  private axisTiles: readonly PatchMap[] = [];
  private visionTiles: readonly PatchMap[] | null = null;

  private readonly metadata: RunMetadata;
  private readonly fateSource: FateSource;
  private readonly selections: SelectionSource;

  constructor(
    source: TraceSource,
    private readonly pages: AttentionPages,
  ) {
    this.metadata = source.metadata;
    this.fateSource = new FateSource(source);
    this.selections = new SelectionSource(source, pages.cache);
    this.crossScenes = new CrossScenes(new ReadingSource(source, pages.cache));
  }

  build({ selection, hover, theme, layout, geometry }: Setting): Built {
    const { metadata, pages } = this;
    const focus = focusOf(selection, hover);
    const shown = shownRow(focus.token, focus.row, metadata);
    const missing: Promise<unknown>[] = [];
    const here = <T>(page: T | Promise<unknown> | undefined): T | null => {
      if (page instanceof Promise) missing.push(page);
      return page === undefined || page instanceof Promise ? null : page;
    };

    const detailed = selection.view === highResolutionViewId;
    const crossed = selection.view === crossAttentionViewId;
    // Steps are gone through quickly there, and attention to patches and words is not shown.
    const row = detailed || crossed ? undefined : shown.row;
    const inSight = this.layersInSight(layout, focus);
    const blocks = row === undefined ? null : here(pages.rowImage(row, inSight.first, inSight.last));
    const mass = row === undefined ? null : here(pages.rowMass(row));
    const textPage = row === undefined ? null : here(pages.rowText(row));
    const cls = here(pages.clsAttention());
    const clsSelf = here(pages.clsSelf());
    const rollout = focus.visionHead === 'rollout' ? here(pages.rollout()) : null;
    const reading = focus.tower === 'vision' ? 'the vision tower' : rowName(focus.token, shown.kind, metadata);
    const pruning = selection.view === 'pruning';
    const fates = pruning ? this.fateSource.read() : undefined;
    if (fates) missing.push(fates);
    const selections = detailed ? this.selections.read() : undefined;
    if (selections) missing.push(selections);
    const detail = detailed ? this.detail(focus, missing) : null;
    const cross = crossed ? this.crossScenes.build({ focus, selection, hover, shown }, missing) : null;
    if (missing.length > 0) return { scene: null, reading, missing };

    // What follows may come later: the scene is drawn without it first.
    const sees = row !== undefined && !shown.beforeImage;
    const recorded = sees && blocks && mass ? this.rowMaps(blocks, inSight.first, mass, false) : null;
    const rowMaps = sees && blocks && mass ? this.rowMaps(blocks, inSight.first, mass, selection.hideText) : null;
    // A layer under the pointer is not worth reading all its rows for.
    const settled = !pruning && !detailed && !crossed && focus.layers === selection.layers;
    const outliers = this.outliers(focus, recorded, cls, settled ? missing : null);
    const hidden = selection.hideOutliers && outliers && typeof outliers !== 'string' ? outliers.patches : null;
    const imageKey = JSON.stringify([
      ...[row ?? null, sees, focus.tower, focus.layers, focus.head, focus.visionLayer, focus.visionHead],
      ...[selection.hideText, hidden && Array.from(hidden).join('')],
    ]);
    if (imageKey !== this.imageKey) {
      this.imageKey = imageKey;
      const visible = rowMaps && hidden ? { ...rowMaps, hiddenPatches: () => hidden } : rowMaps;
      this.imageMap = this.image(focus, visible, cls, rollout, hidden);
    }
    const image = this.imageMap;
    const sharedMaximum =
      selection.scale === 'own' ? null : (selection.keptMaximum ?? this.largest(rowMaps, layout, image));

    const scene: Scene = {
      metadata,
      selection,
      focus,
      theme,
      layout,
      geometry,
      shown,
      heatKey: `${imageKey} ${sharedMaximum} ${layout.columns.first}`,
      image,
      words: this.words(focus, shown),
      imageMaximum: sharedMaximum ?? image?.maximum ?? 0,
      sharedMaximum,
      rowMaps,
      mass,
      masses: mass && massOf(mass, metadata.model.decoder.heads, massGroups.length, focus.layers, focus.head),
      text: textPage && meanOverLayers(textPage, metadata.tokens.length, focus.layers),
      decoderTiles: rowMaps && this.decoderTiles(rowMaps, layout, `${row} ${selection.hideText}`),
      visionTiles: cls && (this.visionTiles ??= this.visionMeans(cls)),
      cls,
      clsSelf,
      readers:
        focus.patch === null || pruning || detailed || crossed ? null : this.readers(focus.patch, focus, missing),
      outliers,
      fates: this.fateSource.fates,
      stage: this.stage(selection, hover),
      detail,
      cross,
    };
    return { scene, reading, missing };
  }

  private detail({ token, layers }: Focus, missing: Promise<unknown>[]): DetailScene | null {
    const { run } = this.selections;
    if (!run || run.steps === 0) return null;
    // Tokens of the prompt were not predicted: the first selection stands for them.
    const step = Math.max(0, Math.min(run.steps - 1, token - this.metadata.promptTokens));
    const page = this.selections.page(step);
    if (page instanceof Promise) {
      missing.push(page);
      return null;
    }
    this.selections.readAhead(step);
    const layer = layers.last;
    if (this.detailScene?.step !== step || this.detailScene.layer !== layer)
      this.detailScene = {
        run,
        step,
        layer,
        shown: shownSelection(run, step, layer, page),
        readBy: other => (run.reads(other) ? run.rowOf(page.tokenAttention, other) : null),
      };
    return this.detailScene;
  }

  /** The stage that is pointed at, the one of the layer that is, or the chosen one. */
  private stage(selection: Selection, { stage, layer }: Hover): number {
    const { reduction } = this.metadata;
    if (stage !== null || !layer || !reduction) return stage ?? selection.stage;
    return stageOfLayer(reduction.stages, layer.tower, layer.layer);
  }

  /** Layers that the grid, the axis and the aggregate need. */
  private layersInSight(layout: Layout, focus: Focus): { first: number; last: number } {
    const { first, count } = layout.columns;
    return { first: Math.min(first, focus.layers.first), last: Math.max(first + count - 1, focus.layers.last) };
  }

  private rowMaps(blocks: readonly Float32Array[], first: number, mass: Float32Array, hideText: boolean): RowMaps {
    const { leading, grid } = this.metadata.visual;
    const bos = massGroups.indexOf('bos');
    const system = massGroups.indexOf('system');
    return {
      heads: this.metadata.model.decoder.heads,
      patches: grid.rows * grid.columns,
      leading,
      layer: layer => blocks[layer - first]!,
      hiddenText: (layer, head) => {
        if (!hideText) return 0;
        const offset = this.pages.massOffset(layer, head);
        return mass[offset + bos]! + mass[offset + system]!;
      },
      hiddenPatches: () => null,
    };
  }

  private image(
    focus: Focus,
    rowMaps: RowMaps | null,
    cls: Float32Array | null,
    rollout: Float32Array | null,
    hidden: Uint8Array | null,
  ): PatchMap | null {
    if (focus.tower === 'decoder') return rowMaps && aggregate(rowMaps, focus.layers, focus.head);
    const { visionLayer, visionHead } = focus;
    const patches = this.metadata.visual.grid.rows * this.metadata.visual.grid.columns;
    if (visionHead === 'rollout' && rollout) {
      const values = rollout.slice(visionLayer * patches, (visionLayer + 1) * patches);
      return { ...summarise(values), hiddenText: 0, hiddenPatches: 0 };
    }
    return cls && this.clsMap(cls, visionLayer, visionHead === 'rollout' ? 'mean' : visionHead, hidden);
  }

  private clsMap(cls: Float32Array, layer: number, head: HeadChoice, hidden: Uint8Array | null): PatchMap {
    const { heads } = this.metadata.model.vision;
    const patches = this.metadata.visual.grid.rows * this.metadata.visual.grid.columns;
    const maps: RowMaps = {
      heads,
      patches,
      leading: 0,
      layer: index => cls.subarray(index * heads * patches, (index + 1) * heads * patches),
      hiddenText: () => 0,
      hiddenPatches: () => hidden,
    };
    return aggregate(maps, { first: layer, last: layer, over: 'mean' }, head);
  }

  private largest(rowMaps: RowMaps | null, layout: Layout, image: PatchMap | null): number {
    let largest = image?.maximum ?? 0;
    if (!rowMaps) return largest;
    const { first, count } = layout.columns;
    for (let layer = first; layer < first + count; layer++)
      largest = Math.max(largest, aggregate(rowMaps, { first: layer, last: layer, over: 'mean' }, 'max').maximum);
    return largest;
  }

  private decoderTiles(rowMaps: RowMaps, layout: Layout, row: string): readonly PatchMap[] {
    const { first, count } = layout.columns;
    const key = `${row} ${first} ${count}`;
    if (key !== this.axisKey) {
      this.axisKey = key;
      this.axisTiles = Array.from({ length: count }, (_, i) =>
        aggregate(rowMaps, { first: first + i, last: first + i, over: 'mean' }, 'mean'),
      );
    }
    return this.axisTiles;
  }

  private visionMeans(cls: Float32Array): readonly PatchMap[] {
    return Array.from({ length: this.metadata.model.vision.layers }, (_, layer) =>
      this.clsMap(cls, layer, 'mean', null),
    );
  }

  private readers(patch: number, focus: Focus, missing: Promise<unknown>[]): PatchReaders | null {
    const { first, last, over } = focus.layers;
    if (last - first >= mostSlabLayers) return null;
    const byToken = new Float32Array(this.metadata.tokens.length);
    for (let layer = first; layer <= last; layer++) {
      const band = this.pages.band(layer, focus.head, patch);
      if (band.page instanceof Promise) {
        missing.push(band.page);
        return null;
      }
      const columns = band.end - band.first;
      for (let token = 0; token < byToken.length; token++) {
        const { row } = shownRow(token, focus.row, this.metadata);
        const value = row === undefined ? 0 : band.page[row * columns + patch - band.first]!;
        byToken[token] =
          over === 'max' ? Math.max(byToken[token]!, value) : byToken[token]! + value / (last - first + 1);
      }
    }
    return { patch, byToken, maximum: byToken.reduce((a, b) => Math.max(a, b), 0) };
  }

  private outliers(
    focus: Focus,
    recorded: RowMaps | null,
    cls: Float32Array | null,
    missing: Promise<unknown>[] | null,
  ): Outliers | string | null {
    if (focus.tower === 'vision') {
      if (!cls) return null;
      const { heads } = this.metadata.model.vision;
      const patches = this.metadata.visual.grid.rows * this.metadata.visual.grid.columns;
      const size = heads * patches;
      const set = outlierPatches(cls.subarray(focus.visionLayer * size, (focus.visionLayer + 1) * size), patches);
      if (focus.visionHead === 'rollout') return 'Rollout mixes all layers; outlier patches are told per layer.';
      return described(set, this.clsMap(cls, focus.visionLayer, focus.visionHead, null).values);
    }
    if (!recorded) return null;
    if (!this.pages.slabFits) return 'This run is too large to look for outlier patches.';
    const { first, last } = focus.layers;
    if (last - first >= mostSlabLayers) return `Outlier patches are told for up to ${mostSlabLayers} layers.`;
    const union = new Uint8Array(recorded.patches);
    for (let layer = first; layer <= last; layer++) {
      const set = this.outlierSets.get(layer) ?? (missing && this.outlierSet(layer, recorded.patches));
      if (set instanceof Promise) missing?.push(set);
      if (!set || set instanceof Promise) return null;
      for (let i = 0; i < union.length; i++) union[i]! |= set[i]!;
    }
    return described(union, aggregate(recorded, focus.layers, focus.head).values);
  }

  private outlierSet(layer: number, patches: number): Uint8Array | Promise<unknown> {
    const { page } = this.pages.band(layer, 'mean', 0);
    if (page instanceof Promise) return page;
    const set = outlierPatches(page, patches);
    this.outlierSets.set(layer, set);
    return set;
  }

  private words(focus: Focus, shown: ShownRow): Scene['words'] {
    const { decoder, vision } = this.metadata.model;
    if (focus.tower === 'vision')
      return {
        subject: 'CLS token',
        layers: `layer V${focus.visionLayer}`,
        heads: focus.visionHead === 'rollout' ? 'attention rollout' : headWords(focus.visionHead, vision.heads),
      };
    return {
      subject: rowName(focus.token, shown.kind, this.metadata),
      layers: layerWords(focus.layers),
      heads: headWords(focus.head, decoder.heads),
    };
  }
}

function described(patches: Uint8Array, values: Float32Array): Outliers {
  let count = 0;
  let mass = 0;
  for (let i = 0; i < patches.length; i++)
    if (patches[i]) {
      count++;
      mass += values[i]!;
    }
  return { patches, count, mass };
}

export function headWords(head: HeadChoice, heads: number): string {
  if (head === 'mean') return `mean of ${heads} heads`;
  return head === 'max' ? `maximum of ${heads} heads` : `head ${head}`;
}

export function layerWords({ first, last, over }: LayerChoice): string {
  if (first === last) return `layer D${first}`;
  return `${over === 'max' ? 'maximum' : 'mean'} of layers D${first} to D${last}`;
}

/** @param page [layers, tokens] @returns [tokens] */
function meanOverLayers(page: Float32Array, tokens: number, { first, last }: LayerChoice): Float32Array {
  const mean = new Float32Array(tokens);
  for (let layer = first; layer <= last; layer++)
    for (let token = 0; token < tokens; token++) mean[token]! += page[layer * tokens + token]! / (last - first + 1);
  return mean;
}
