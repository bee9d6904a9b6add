/** Inputs for sizes without content: normal noise from a seed, the same for every number of ranks' threads. */
import type { Pass } from '../../trace/traffic/schedule.ts';
import type { Sizes } from '../../trace/traffic/sizes.ts';
import { seededRandom } from '../analysis/random.ts';
import { allocateFloats } from '../engine/float-memory.ts';
import type { RankInputs } from './protocol.ts';
import { roundTo } from './wire.ts';

/** Per rank, rounded to the elements that travel. @throws FoveaError `out-of-memory` */
export function noiseInputs({ shape, sharding, wire }: Sizes, pass: Pass, seed: number): RankInputs[] {
  const { queryHeads, keyValueHeads, headSize } = shape;
  return sharding.queryRows.map((queryRows, rank) => {
    const keyRows = sharding.keyRows[rank]!;
    const tensor = (kind: number, heads: number, rows: number): Float32Array =>
      roundTo(normalNoise(heads * rows * headSize, seed * 7919 + kind * 104729 + rank), wire.element);
    return {
      Q: tensor(0, queryHeads, queryRows),
      K: tensor(1, keyValueHeads, keyRows),
      V: tensor(2, keyValueHeads, keyRows),
      ...(pass === 'backward' && { dO: tensor(3, queryHeads, queryRows) }),
    };
  });
}

/** Mean 0, deviation 1 (Box and Muller 1958). */
export function normalNoise(length: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  const values = allocateFloats(length);
  for (let i = 0; i < length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < length) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}
