/** What a run with cross-attention costs beside other ways to the same visual input; by formula, for the sizes of the run. */
import type { MacFormula } from './costs.ts';
import { crossTokens } from './cross-attention.ts';
import { crossAttentionImages, crossAttentionMacs } from './cross-attention-costs.ts';
import {
  type ComparedSize,
  crossAttentionCosts,
  llavaHdCosts,
  lowResolutionCosts,
  type ResolutionCosts,
  tileMacs,
} from './high-resolution-costs.ts';
import type { RunMetadata } from './schema.ts';

export interface CrossComparison {
  /** Tiles or further frames through the vision tower. */
  readonly vision: number;
  /** The prompt's image only. */
  readonly low: ResolutionCosts;
  /** As these weights do it: rows behind the image read, in few layers. */
  readonly asRun: ResolutionCosts;
  /** As the comparison of FlexAttention counts it: every row reads, in as many layers. */
  readonly everyRow: ResolutionCosts;
  /** All of its tokens in the sequence. */
  readonly inSequence: ResolutionCosts;
}

/** @returns undefined where the trace lacks the MLP's width */
export function crossComparison(formula: MacFormula, run: RunMetadata): CrossComparison | undefined {
  const { model, visual, promptTokens, crossAttention } = run;
  const { layers, hiddenSize, intermediateSize } = model.decoder;
  const patches = visual.grid.rows * visual.grid.columns;
  const images = { rows: 1, columns: crossAttentionImages(run), side: 1 };
  const vision = tileMacs({ tiles: images }, model, patches);
  if (!crossAttention || intermediateSize === undefined || vision === undefined) return undefined;
  const size: ComparedSize = {
    formula,
    hiddenSize,
    intermediateSize,
    layers,
    attending: crossAttention.layers.length,
    sequence: promptTokens + visual.count,
    text: promptTokens,
    highResolutionTokens: crossTokens(crossAttention),
    selected: 0,
  };
  const low = lowResolutionCosts(size);
  const { project, prefill } = crossAttentionMacs(run);
  const rows = Math.max(1, promptTokens - crossAttention.firstRow);
  return {
    vision,
    low,
    asRun: { prefill: low.prefill + project + prefill, step: low.step + prefill / rows },
    everyRow: crossAttentionCosts(size),
    inSequence: llavaHdCosts(size),
  };
}
