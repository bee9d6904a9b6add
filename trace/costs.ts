/**
 * Multiply-accumulates (MACs) and bytes of a run. Publications print MACs as "FLOPs"; nothing here is multiplied by 2.
 */

import type { LayerAccount, TokenReduction } from './fates.ts';
import type { ModelDescription } from './schema.ts';

/**
 * MACs of one decoder layer over n tokens. F2, of the FastV paper (section 4.2): 4nd² + 2n²d + 2ndm, as for an MLP of two matrices.
 * F3, of SparseVLM's code and right for Llama's gated MLP: 4nd² + 2n²d + 3ndm.
 */
export type MacFormula = 'F2' | 'F3';
export const macFormulas: readonly MacFormula[] = ['F2', 'F3'];
export const macFormulaText: Readonly<Record<MacFormula, string>> = {
  F2: '4nd² + 2n²d + 2ndm',
  F3: '4nd² + 2n²d + 3ndm',
};

/** Sizes of a decoder layer; the formulas take attention as wide as the hidden states and no grouped heads. */
export interface LayerSize {
  /** d */
  readonly hiddenSize: number;
  /** m */
  readonly intermediateSize: number;
}

const mlpMatrices: Readonly<Record<MacFormula, number>> = { F2: 2, F3: 3 };

/** One layer in prefill. @param tokens n, entering the layer, text included */
export function prefillMacs(formula: MacFormula, tokens: number, { hiddenSize, intermediateSize }: LayerSize): number {
  return (
    4 * tokens * hiddenSize ** 2 +
    2 * tokens ** 2 * hiddenSize +
    mlpMatrices[formula] * tokens * hiddenSize * intermediateSize
  );
}

/** One layer, one new token that reads `cached` entries, itself included. */
export function decodeMacs(formula: MacFormula, cached: number, { hiddenSize, intermediateSize }: LayerSize): number {
  return 4 * hiddenSize ** 2 + 2 * cached * hiddenSize + mlpMatrices[formula] * hiddenSize * intermediateSize;
}

/** One CLIP layer over n tokens, CLS included: four projections, attention, two MLP matrices, which may run on fewer. */
export function visionMacs(tokens: number, size: LayerSize, mlpTokens = tokens): number {
  return prefillMacs('F2', tokens, size) - 2 * (tokens - mlpTokens) * size.hiddenSize * size.intermediateSize;
}

/** Bytes of one position's keys and values in one layer. */
export function keyValueBytes(
  { keyValueHeads, headSize }: { readonly keyValueHeads: number; readonly headSize: number },
  elementBytes: number,
): number {
  return 2 * keyValueHeads * headSize * elementBytes;
}

/**
 * All decoder layers: prefill, and all decode steps together; the vision tower, projector and language head are not counted.
 * @param layers tokens entering in prefill, text included, and entries of the cache when the run ended
 */
export function decoderMacs(
  formula: MacFormula,
  layers: readonly Pick<LayerAccount, 'sequence' | 'cacheLength'>[],
  decodeSteps: number,
  size: LayerSize,
): { readonly prefill: number; readonly decode: number } {
  let [prefill, decode] = [0, 0];
  for (const { sequence, cacheLength } of layers) {
    prefill += prefillMacs(formula, sequence, size);
    for (let step = 0; step < decodeSteps; step++) decode += decodeMacs(formula, cacheLength - step, size);
  }
  return { prefill, decode };
}

export interface RunMacs {
  /** All vision layers that ran. */
  readonly vision: number;
  readonly prefill: number;
  /** All decode steps together. */
  readonly decode: number;
}

/** MACs of what a run did; undefined where the trace does not say how wide its MLPs are. */
export function runMacs(
  formula: MacFormula,
  { stages, visionTokens, visionTiles = 1, layers, decodeSteps }: TokenReduction,
  { vision, decoder }: Pick<ModelDescription, 'vision' | 'decoder'>,
): RunMacs | undefined {
  if (vision.intermediateSize === undefined || decoder.intermediateSize === undefined) return undefined;
  const visionSize = { hiddenSize: vision.hiddenSize, intermediateSize: vision.intermediateSize };
  const size = { hiddenSize: decoder.hiddenSize, intermediateSize: decoder.intermediateSize };
  const mergedInside = (layer: number): number =>
    stages
      .filter(({ place }) => place.inside && place.tower === 'vision' && place.layer === layer)
      .reduce((sum, { entering, leaving }) => sum + entering - leaving, 0);
  const seen = visionTokens.reduce((sum, tokens, layer) => {
    const each = tokens / visionTiles;
    return sum + visionTiles * visionMacs(each, visionSize, each - mergedInside(layer));
  }, 0);
  return { vision: seen, ...decoderMacs(formula, layers, decodeSteps, size) };
}
