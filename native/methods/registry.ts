/** The methods that come with Fovea. */
import { FoveaError } from '../errors.ts';
import { clsTopK } from './cls-top-k.ts';
import type { TokenMethod } from './method.ts';
import { noPruning } from './no-pruning.ts';
import { randomTokens } from './random-tokens.ts';

export const methods: readonly TokenMethod[] = [noPruning, clsTopK, randomTokens];

/** @throws FoveaError `usage` */
export function findMethod(name: string): TokenMethod {
  const method = methods.find(known => known.name === name.toLowerCase());
  if (method) return method;
  throw new FoveaError(
    'usage',
    `There is no method "${name}".`,
    `Methods: ${methods.map(known => known.name).join(', ')}.`,
  );
}
