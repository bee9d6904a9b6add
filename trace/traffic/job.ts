/** What ranks under torchrun are given: a workload, and what every rank does for each algorithm. JSON. */
import { type BytesByKind, expectedBytes } from './formulas.ts';
import type { TrafficWorkload } from './metadata.ts';
import type { Algorithm, Pass, Schedule, WireOptions } from './schedule.ts';
import { buildSchedule, hasPass } from './schedules/build-schedule.ts';
import type { Sizes } from './sizes.ts';

export interface JobSchedule extends Schedule {
  /** By the closed formulas, so that ranks can assert what they sent without knowing the formulas. */
  readonly expectedBytes: BytesByKind;
}

export interface RanksJob {
  readonly workload?: TrafficWorkload;
  /** Run one after the other; a backward pass right after the forward pass that it belongs to. */
  readonly schedules: readonly JobSchedule[];
  /** Per query row [first, last) of the keys that it sees; everything where absent. */
  readonly visible?: readonly (readonly [first: number, last: number])[];
}

export interface JobVariant {
  readonly algorithm: Algorithm;
  readonly wire: WireOptions;
  readonly passes: readonly Pass[];
}

/** Passes that an algorithm does not have are left out. @throws TrafficError `sizes` or `heads` */
export function jobSchedules(sizes: Omit<Sizes, 'wire'>, variants: readonly JobVariant[]): JobSchedule[] {
  return variants.flatMap(({ algorithm, wire, passes }) =>
    passes
      .filter(pass => hasPass(algorithm, pass))
      .map(pass => {
        const all: Sizes = { ...sizes, wire };
        return { ...buildSchedule(algorithm, pass, all), expectedBytes: expectedBytes(algorithm, pass, all) };
      }),
  );
}
