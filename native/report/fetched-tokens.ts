/** What a run fetched in high resolution, summed up over its steps for a page that cannot be played. */
import { highResolutionGroups, selectionOverlap, stepCount, type HighResolution } from '../../trace/high-resolution.ts';
import type { TraceReader } from '../../trace/reader.ts';
import { readFloats } from '../cli/trace-values.ts';

/** One layer that reads what the layer before it selected. */
export interface FetchingLayer {
  readonly layer: number;
  /** High-resolution tokens read, mean of the steps. */
  readonly tokens: number;
  /** Share of the last query's attention that is on them, mean of heads and steps, 0 to 1. */
  readonly attention: number;
  /** Relative L2 change of the attention's output, mean of the steps. */
  readonly change: number;
  /** Intersection over union with what it read one step earlier, mean of the steps; undefined where there is one step only. */
  readonly overlap: number | undefined;
  /** [cells], share of the steps at which the cell was read, 0 to 1 */
  readonly read: Float32Array;
}

export interface FetchedTokens {
  readonly described: HighResolution;
  readonly steps: number;
  readonly layers: readonly FetchingLayer[];
  /** [cells], share of layers and steps that read the cell, 0 to 1 */
  readonly read: Float32Array;
}

/** @returns undefined for a run in low resolution only, and for one without a step */
export async function readFetchedTokens(trace: TraceReader): Promise<FetchedTokens | undefined> {
  const { metadata } = trace;
  const { highResolution: described } = metadata;
  const steps = stepCount(metadata);
  if (!described || steps === 0 || described.attending.length === 0) return undefined;
  const cells = await readFloats(trace, 'high_resolution.cells');
  const selected = await readFloats(trace, 'high_resolution.selected');
  const mass = await readFloats(trace, 'high_resolution.mass');
  const change = await readFloats(trace, 'high_resolution.change');
  const depth = described.layers.length;
  const count = described.cells.rows * described.cells.columns;
  const { heads } = metadata.model.decoder;
  const groups = highResolutionGroups.length;
  const mean = (value: (step: number) => number): number => {
    let sum = 0;
    for (let step = 0; step < steps; step++) sum += value(step);
    return sum / steps;
  };
  const layers = described.attending.map((layer): FetchingLayer => {
    const [reads, selects] = [described.layers.indexOf(layer), described.layers.indexOf(layer - 1)];
    const chosen = (step: number): Float32Array =>
      cells.subarray((step * depth + selects) * count, (step * depth + selects + 1) * count);
    const attention = (step: number): number => {
      let sum = 0;
      for (let head = 0; head < heads; head++) sum += mass[((step * depth + reads) * heads + head) * groups]!;
      return sum / heads;
    };
    const overlaps = Array.from({ length: steps - 1 }, (_, step) => selectionOverlap(chosen(step), chosen(step + 1)));
    const known = overlaps.filter(overlap => !Number.isNaN(overlap));
    return {
      layer,
      tokens: mean(step => selected[step * depth + selects]!),
      attention: mean(attention),
      change: mean(step => change[step * depth + reads]!),
      overlap: known.length > 0 ? known.reduce((sum, one) => sum + one, 0) / known.length : undefined,
      read: Float32Array.from({ length: count }, (_, cell) => mean(step => chosen(step)[cell]!)),
    };
  });
  const read = Float32Array.from(
    { length: count },
    (_, cell) => layers.reduce((sum, layer) => sum + layer.read[cell]!, 0) / layers.length,
  );
  return { described, steps, layers, read };
}
