/** On which sizes LV-XAttn or ring attention is predicted to be faster. */
import { type ComputedParts, MaskedWork } from './masked-work.ts';
import type { VisibleRun } from './masks.ts';
import { predict, type Rates } from './planner.ts';
import { type Algorithm, type AttentionShape, bytesOfElement, type Pass, type WireOptions } from './schedule.ts';
import { type Sizes, splitEvenly } from './sizes.ts';

/** Long or short queries and keys: who waits for links, who for arithmetic (LV-XAttn, figure 7 and appendix A). */
export interface QuadrantThresholds {
  /** From so many keys LV-XAttn computes longer than it sends: n e F / 2 W, whatever the queries are. */
  readonly keys: number;
  /** Up to so many queries ring attention sends longer than it computes: n e F h' / (2 W h). */
  readonly queries: number;
}

export function quadrantThresholds(
  ranks: number,
  shape: AttentionShape,
  wire: WireOptions,
  rates: Rates,
): QuadrantThresholds {
  const keys = (ranks * bytesOfElement[wire.element] * rates.flopsPerSecond) / (2 * rates.bandwidth);
  const sentHeads = wire.repeatKeyValueHeads ? shape.queryHeads : shape.keyValueHeads;
  return { keys, queries: (keys * sentHeads) / shape.queryHeads };
}

export interface QuadrantCell {
  readonly queries: number;
  readonly keys: number;
  /** Seconds. */
  readonly lvXattn: number;
  readonly ring: number;
  /** ring / lvXattn: above 1 LV-XAttn is faster. */
  readonly speedup: number;
}

/** One cell per pair, keys outermost. @throws TrafficError as `buildSchedule` */
export function quadrantMap(
  queries: readonly number[],
  keys: readonly number[],
  point: {
    readonly ranks: number;
    readonly pass: Pass;
    readonly shape: AttentionShape;
    readonly wire: WireOptions;
    readonly rates: Rates;
    /** Of so many queries and keys; absent where every query sees every key. */
    readonly mask?:
      | { readonly visible: (queries: number, keys: number) => readonly VisibleRun[]; readonly parts: ComputedParts }
      | undefined;
  },
): QuadrantCell[] {
  const { ranks, pass, shape, wire, rates, mask } = point;
  return keys.flatMap(keyRows =>
    queries.map((queryRows): QuadrantCell => {
      const sharding = { queryRows: splitEvenly(queryRows, ranks), keyRows: splitEvenly(keyRows, ranks) };
      const masked = mask && new MaskedWork(mask.visible(queryRows, keyRows), sharding, mask.parts);
      const time = (algorithm: Algorithm): number => {
        const repeat = algorithm === 'ring' && wire.repeatKeyValueHeads;
        const sizes: Sizes = { shape, sharding, wire: { ...wire, repeatKeyValueHeads: repeat } };
        return predict(algorithm, pass, sizes, rates, { masked }).total;
      };
      const [lvXattn, ring] = [time('lv-xattn'), time('ring')];
      return { queries: queryRows, keys: keyRows, lvXattn, ring, speedup: ring / lvXattn };
    }),
  );
}
