/** The methods that come with Fovea. */
import { FoveaError } from '../errors.ts';
import { centerCrop } from './center-crop.ts';
import { clsTopK } from './cls-top-k.ts';
import { fastV } from './fastv.ts';
import { flexAttention } from './high-resolution/flexattention.ts';
import { gridPooling } from './grid-pooling.ts';
import { llavaHd } from './llava-hd.ts';
import { llavaXAttn } from './high-resolution/llava-xattn.ts';
import type { TokenMethod } from './method.ts';
import { mustDrop } from './mustdrop/mustdrop.ts';
import { noPruning } from './no-pruning.ts';
import { randomTokens } from './random-tokens.ts';
import { sparseVlm2 } from './sparsevlm/sparsevlm-2.ts';
import { sparseVlm } from './sparsevlm/sparsevlm.ts';
import { tome } from './tome/tome.ts';

export const methods: readonly TokenMethod[] = [
  noPruning,
  mustDrop,
  sparseVlm,
  sparseVlm2,
  flexAttention,
  llavaHd,
  llavaXAttn,
  fastV,
  tome,
  clsTopK,
  gridPooling,
  centerCrop,
  randomTokens,
];

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
