import type { RunMetadata } from '../trace/schema.ts';
import type { PatchMap, RowMaps } from './attention/aggregate.ts';
import type { ShownRow } from './attention/rows.ts';
import type { Theme } from './colour/theme.ts';
import type { CrossScene } from './cross-attention/cross-scene.ts';
import type { RunSelections } from './high-resolution/run-selections.ts';
import type { ShownSelection } from './high-resolution/shown-selection.ts';
import type { ImageGeometry } from './image/geometry.ts';
import type { Layout } from './layout.ts';
import type { RunFates } from './pruning/run-fates.ts';
import type { Focus, Selection } from './selection.ts';

/** Who looked at a patch, in the chosen layers and heads. */
export interface PatchReaders {
  readonly patch: number;
  /** [tokens], probability; 0 for tokens without a row */
  readonly byToken: Float32Array;
  readonly maximum: number;
}

export interface Outliers {
  /** [patches], 1 for an outlier */
  readonly patches: Uint8Array;
  readonly count: number;
  /** Probability that the shown row spends on them. */
  readonly mass: number;
}

/** High-resolution tokens at one step. */
export interface DetailScene {
  readonly run: RunSelections;
  /** The answer's token that is predicted, from 0. */
  readonly step: number;
  /** The chosen decoder layer, whether it reads high-resolution tokens or not. */
  readonly layer: number;
  /** What that layer reads at that step; null where it reads none. */
  readonly shown: ShownSelection | null;
  /** Where a layer's attention went at that step, [tokens], probability; null where it read none, or nothing is known. */
  readBy(layer: number): Float32Array | null;
}

/** One moment of the panel: everything its regions draw, computed once for all of them. */
export interface Scene {
  readonly metadata: RunMetadata;
  readonly selection: Selection;
  readonly focus: Focus;
  readonly theme: Theme;
  readonly layout: Layout;
  readonly geometry: ImageGeometry;
  readonly shown: ShownRow;
  /** Changes when the heat does: marks alone are drawn over it. */
  readonly heatKey: string;
  /** What the overlay shows; null where the token has no row, or none that could see the image. */
  readonly image: PatchMap | null;
  /** In words: of what, which layer, which heads. */
  readonly words: { readonly subject: string; readonly layers: string; readonly heads: string };
  /** Upper end of the overlay's scale, and of every map's on an absolute scale; probability. */
  readonly imageMaximum: number;
  /** Upper end shared by all maps; null when each map has its own. */
  readonly sharedMaximum: number | null;
  /** Attention of the shown row, layer by layer: only layers in sight may be asked for. */
  readonly rowMaps: RowMaps | null;
  /** [layers, heads, groups], probability */
  readonly mass: Float32Array | null;
  /** [groups] over the chosen layers and heads */
  readonly masses: Float32Array | null;
  /** [tokens], probability, mean over heads and over the chosen layers */
  readonly text: Float32Array | null;
  /** Mean over heads per decoder layer in sight, and per layer of the vision tower. */
  readonly decoderTiles: readonly PatchMap[] | null;
  readonly visionTiles: readonly PatchMap[] | null;
  /** [visionLayers, visionHeads, patches] and what CLS keeps for itself [visionLayers, visionHeads] */
  readonly cls: Float32Array | null;
  readonly clsSelf: Float32Array | null;
  readonly readers: PatchReaders | null;
  /** What became of the visual tokens; null for runs that do not hold it. */
  readonly fates: RunFates | null;
  /** Stage whose outcome is shown; -1 is before the first. */
  readonly stage: number;
  /** null in other views and for runs without high-resolution tokens. */
  readonly detail: DetailScene | null;
  /** null in other views and for runs without cross-attention. */
  readonly cross: CrossScene | null;
  /** null while unknown, or with the reason why it cannot be told. */
  readonly outliers: Outliers | string | null;
}

/** A scene, or what has to be read before it can be drawn. */
export interface Built {
  readonly scene: Scene | null;
  /** What is being read, for the legend: "D9", "row of “apple”". */
  readonly reading: string;
  /** Pages that are missing; drawing again when they are here is worthwhile. */
  readonly missing: readonly Promise<unknown>[];
}
