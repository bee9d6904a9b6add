/** What a method asks of a run that fetches high-resolution tokens. The engine encodes, projects, attends and records. */
import type { LowResolution, SelectionRule, SelectionSource } from '../../../trace/high-resolution.ts';
import type { MethodVariant } from '../method.ts';
import type { Grid, SelectionSteps } from './selection.ts';

export interface SelectionView {
  /** 0 in prefill, then one for each further token. */
  readonly step: number;
  readonly layer: number;
  /** [patches], attention of the last query, summed over heads; 0 for patches that no visual token is made of any more */
  readonly attention: Float32Array;
  readonly patches: Grid;
  readonly cells: Grid;
  /** Patches at each edge that show padding. */
  readonly margin: Grid;
  /** [cells], what this layer selected at step 0; absent at that step */
  readonly first?: Uint8Array;
}

export interface HighResolutionPlan {
  readonly variant: MethodVariant;
  readonly source: SelectionSource;
  readonly rule: SelectionRule;
  /** Side of the pooled cells; 0 makes every patch a cell. */
  readonly pooledCells: number;
  /** Layers that attend to what the layer before them selected, ascending, from 1. */
  readonly attending: readonly number[];
  readonly rows: 'last' | 'all';
  readonly map: 'separate' | 'joint';
  readonly rotary: 'fractional' | 'interpolated';
  readonly lowResolution: LowResolution;
  /** Tiles at each side of the large image. */
  readonly zoom: number;
  /** Pads images to a square, as FlexAttention does; otherwise the model's own processor decides. */
  readonly pad: boolean;
  /** Keeps projected keys and values for the run; otherwise they are projected at every step, as in the official code. */
  readonly keepProjections: boolean;
  /**
   * Where a query stands relative to high-resolution keys once visual tokens before it are gone: as if none were (`picture`), or
   * by its position in the shortened sequence.
   */
  readonly queryPositions: 'picture' | 'sequence';
  readonly notes: readonly string[];
  /** Pure: the same view gives the same cells. */
  readonly select: (view: SelectionView) => SelectionSteps;
}
