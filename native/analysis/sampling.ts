/** From logits to the next token: greedy, or drawn by temperature and top-p; probabilities are the model's own. */
import type { Sampling } from '../../trace/schema.ts';
import { FoveaError } from '../errors.ts';
import { seededRandom } from './random.ts';

/** Natural log of the probability, in float64. */
export interface ScoredToken {
  readonly id: number;
  readonly logprob: number;
}

export interface ChosenToken extends ScoredToken {
  /** The most probable tokens, most probable first, ties to the lower id. */
  readonly alternatives: readonly ScoredToken[];
}

/** [vocabulary] to the chosen token. */
export type TokenChooser = (logits: Float32Array) => ChosenToken;

const alternativesKept = 5;

/**
 * One chooser serves one run: drawing goes on with its random numbers.
 * @throws FoveaError `usage` for a temperature, top-p or seed out of range
 */
export function createTokenChooser(sampling: Sampling): TokenChooser {
  const pick = sampling.mode === 'greedy' ? () => undefined : createDraw(sampling);
  return logits => {
    const normalizer = logSumExp(logits);
    if (!Number.isFinite(normalizer)) {
      throw new FoveaError(
        'device-unavailable',
        'The model computed numbers that are not finite.',
        'Run it on the CPU. If that is what happened on the CPU, the weights are damaged or need more than 32 bits.',
      );
    }
    const alternatives = mostProbable(logits, alternativesKept).map(id => ({ id, logprob: logits[id]! - normalizer }));
    const id = pick(logits) ?? alternatives[0]!.id;
    return { id, logprob: logits[id]! - normalizer, alternatives };
  };
}

/** log of the sum of exponentials, shifted by the maximum so that nothing overflows. */
export function logSumExp(values: Float32Array): number {
  let largest = -Infinity;
  for (const value of values) {
    if (!(value <= largest)) largest = value;
  }
  let sum = 0;
  for (const value of values) sum += Math.exp(value - largest);
  return largest + Math.log(sum);
}

/** Ids of the largest logits, largest first, ties to the lower id. */
export function mostProbable(logits: Float32Array, count: number): number[] {
  const ids: number[] = [];
  for (let id = 0; id < logits.length; id++) {
    if (ids.length === count && !(logits[id]! > logits[ids[count - 1]!]!)) continue;
    let place = ids.length;
    while (place > 0 && logits[id]! > logits[ids[place - 1]!]!) place--;
    ids.splice(place, 0, id);
    if (ids.length > count) ids.pop();
  }
  return ids;
}

function createDraw({ temperature, topP, seed }: Sampling & { mode: 'sample' }): (logits: Float32Array) => number {
  if (!(temperature > 0) || !Number.isFinite(temperature)) {
    throw new FoveaError('usage', `The temperature is ${temperature}; it must be above 0.`, 'Leave it out for greedy.');
  }
  if (!(topP > 0 && topP <= 1)) {
    throw new FoveaError('usage', `Top-p is ${topP}; it must be above 0 and at most 1.`, 'Use 1 for all tokens.');
  }
  if (!Number.isSafeInteger(seed)) {
    throw new FoveaError('usage', `The seed is ${seed}; it must be an integer.`, 'Any integer will do, e.g. 0.');
  }
  const random = seededRandom(seed);
  return logits => drawNucleus(logits, temperature, topP, random());
}

/**
 * Nucleus sampling (Holtzman et al. 2020): of the tokens sorted by probability at this temperature, the fewest that
 * reach top-p share one uniform number in proportion.
 */
function drawNucleus(logits: Float32Array, temperature: number, topP: number, uniform: number): number {
  let largest = -Infinity;
  for (const value of logits) largest = Math.max(largest, value);
  const weights = new Float64Array(logits).map(value => Math.exp((value - largest) / temperature));
  let total = 0;
  for (const weight of weights) total += weight;
  // All tokens rarer than this weigh less together than what top-p leaves out; sorting them too would take most of the time.
  const rarest = ((1 - topP) * total) / weights.length;
  const order = new Uint32Array(weights.length).map((_, id) => id).filter(id => weights[id]! >= rarest);
  if (topP < 1) order.sort((a, b) => weights[b]! - weights[a]! || a - b);
  let nucleus = 0;
  let end = 0;
  while (end < order.length && nucleus < topP * total) nucleus += weights[order[end++]!]!;
  let rest = uniform * nucleus;
  for (const id of order.subarray(0, end)) {
    rest -= weights[id]!;
    if (rest < 0) return id;
  }
  return order[end - 1]!;
}
