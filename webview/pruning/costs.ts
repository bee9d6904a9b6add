import { decodeMacs, keyValueBytes, prefillMacs, type LayerSize, type MacFormula } from '../../trace/costs.ts';
import type { LayerAccount, TokenReduction } from '../../trace/fates.ts';
import type { RunMetadata } from '../../trace/schema.ts';

/** One number per decoder layer, with what the model would have had without the method. */
export interface LayerCost {
  readonly value: number;
  readonly full: number;
}

/** Sizes that the formulas need; undefined where the run does not say the width of its MLP. */
export function layerSize({ model }: Pick<RunMetadata, 'model'>): LayerSize | undefined {
  const { hiddenSize, intermediateSize } = model.decoder;
  return intermediateSize === undefined ? undefined : { hiddenSize, intermediateSize };
}

/** All tokens that would have entered the layer in prefill. */
const fullSequence = (layer: LayerAccount, { visualTokens }: TokenReduction): number =>
  layer.sequence - layer.entering + visualTokens;

export function prefillCosts(reduction: TokenReduction, formula: MacFormula, size: LayerSize): readonly LayerCost[] {
  return reduction.layers.map(layer => ({
    value: prefillMacs(formula, layer.sequence, size),
    full: prefillMacs(formula, fullSequence(layer, reduction), size),
  }));
}

/** All decode steps together. Every step reads one entry more than the one before. */
export function decodeCosts(reduction: TokenReduction, formula: MacFormula, size: LayerSize): readonly LayerCost[] {
  const steps = Array.from({ length: reduction.decodeSteps }, (_, step) => step);
  const over = (length: number): number =>
    steps.reduce((sum, step) => sum + decodeMacs(formula, length - step, size), 0);
  return reduction.layers.map(layer => ({
    value: over(layer.cacheLength),
    full: over(layer.cacheLength + reduction.visualTokens - layer.cached),
  }));
}

/**
 * Bytes of the cache as they were allocated, and as they would have been with every visual token: the same room for
 * tokens to come, and one position's keys and values for each visual entry more.
 */
export function cacheCosts(
  { layers, visualTokens }: TokenReduction,
  { model, engine }: Pick<RunMetadata, 'model' | 'engine'>,
): readonly LayerCost[] {
  const perToken = keyValueBytes(model.decoder, elementBytes(engine.arithmetic));
  return layers.map(layer => ({
    value: layer.cacheBytes,
    full: layer.cacheBytes + Math.max(0, visualTokens - layer.cached) * perToken,
  }));
}

/** Bytes of a number of this name: "float32", "F16", "bfloat16". */
export const elementBytes = (arithmetic: string): number => (arithmetic.includes('16') ? 2 : 4);

export const sum = (costs: readonly LayerCost[]): LayerCost => ({
  value: costs.reduce((total, { value }) => total + value, 0),
  full: costs.reduce((total, { full }) => total + full, 0),
});

/** How far the query of the first decode step lies from where it would follow the last key: 0 where nothing is skewed. */
export function positionSkew({ lastKeyPosition, queryPosition }: LayerAccount): number | undefined {
  return queryPosition === undefined ? undefined : queryPosition - lastKeyPosition - 1;
}
