/** What the decoder computes in a run, from the account of its layers. */
import { decodeMacs, macFormulaText, prefillMacs } from '../../trace/costs.ts';
import type { TokenReduction } from '../../trace/fates.ts';
import type { ModelDescription } from '../../trace/schema.ts';

const formula = 'F3';

/** For the reader. */
export const macFormulaName = `${formula}, decoder layers: ${macFormulaText[formula]} in prefill; reading high-resolution tokens included`;

/** Multiply-accumulates of all decoder layers; the vision tower, projector and language head are not counted. */
export function decoderMacs(
  { layers, decodeSteps }: TokenReduction,
  { hiddenSize, intermediateSize }: ModelDescription['decoder'],
): { prefill: number; decode: number } {
  if (intermediateSize === undefined) throw new Error('The width of the MLP is not known.');
  const size = { hiddenSize, intermediateSize };
  let [prefill, decode] = [0, 0];
  for (const { entering, sequence, cached } of layers) {
    prefill += prefillMacs(formula, sequence, size);
    const textTokens = sequence - entering;
    for (let step = 1; step <= decodeSteps; step++) decode += decodeMacs(formula, cached + textTokens + step, size);
  }
  return { prefill, decode };
}
