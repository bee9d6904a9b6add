import { selectedTokens } from '../../trace/high-resolution.ts';
import type { DetailScene } from '../scene.ts';
import type { RunSelections } from './run-selections.ts';
import type { StepPage } from './selection-source.ts';

/** What the chosen layer reads at the shown step. */
export interface ShownSelection {
  /** [cells] of 0 or 1 */
  readonly cells: Uint8Array;
  /** [tokens] of 0 or 1 */
  readonly mask: Uint8Array;
  readonly cellCount: number;
  readonly tokenCount: number;
  /** The layer that selected them. */
  readonly selector: number;
  /** Attention of that layer's row [patches], sum over heads; then from 0 to 1; then as 0 or 1 by the rule. */
  readonly attention: Float32Array | null;
  readonly normalised: Float32Array | null;
  readonly binarised: Float32Array | null;
  readonly range: readonly [number, number] | undefined;
  /** Where the reading layer's attention went: [tokens], probability, mean over heads. */
  readonly read: Float32Array | null;
  /** Largest of `read` and where. */
  readonly largest: number;
  readonly peak: number;
  /** Attention on high-resolution tokens. */
  readonly share: number | undefined;
}

/** @returns null where the layer reads no high-resolution tokens */
export function shownSelection(run: RunSelections, step: number, layer: number, page: StepPage): ShownSelection | null {
  const cells = run.cellsRead(step, layer);
  if (!cells) return null;
  const selector = layer - 1;
  const read = run.rowOf(page.tokenAttention, layer);
  let peak = 0;
  read?.forEach((value, token) => {
    if (value > read[peak]!) peak = token;
  });
  return {
    cells,
    mask: selectedTokens(cells, run.described),
    cellCount: run.cellCount(step, layer) ?? 0,
    tokenCount: run.tokenCount(step, layer) ?? 0,
    selector,
    attention: run.rowOf(page.attention, selector),
    normalised: run.rowOf(page.normalised, selector),
    binarised: run.rowOf(page.binarised, selector),
    range: run.range(step, selector),
    read,
    largest: read?.[peak] ?? 0,
    peak,
    share: run.share(step, layer),
  };
}

/** The least attention of a patch that was taken: the cut of a rule that takes a fixed number. */
export function cutOf({ attention, binarised }: ShownSelection): number | undefined {
  if (!attention || !binarised) return undefined;
  let cut = Infinity;
  for (let patch = 0; patch < attention.length; patch++) if (binarised[patch]) cut = Math.min(cut, attention[patch]!);
  return cut === Infinity ? undefined : cut;
}

/** "D2 reads no high-resolution tokens; D4 is the first layer that does." */
export function notReading({ run, layer }: Pick<DetailScene, 'run' | 'layer'>): string {
  const { attending } = run.described;
  if (attending.length === 0) return 'No layer reads high-resolution tokens.';
  const next = attending.find(other => other > layer) ?? attending.at(-1)!;
  const selects = run.placeOf(layer) >= 0 && run.reads(layer + 1);
  if (selects) return `D${layer} reads no high-resolution tokens; it selects those that D${layer + 1} reads.`;
  return `D${layer} reads no high-resolution tokens; D${next} does.`;
}
