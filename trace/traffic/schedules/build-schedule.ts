import { TrafficError } from '../errors.ts';
import { algorithmNames } from '../metadata.ts';
import {
  type Algorithm,
  type Pass,
  type RankProgram,
  type Schedule,
  scheduleFormat,
  scheduleVersion,
} from '../schedule.ts';
import { requireSizes, type Sizes } from '../sizes.ts';
import { allGather } from './all-gather.ts';
import { lvXattn } from './lv-xattn.ts';
import { gatherQ, passQ } from './move-queries.ts';
import { type AlgorithmPrograms, ProgramBuilder, type ProgramWriter } from './program-builder.ts';
import { ring } from './ring.ts';
import { ulysses } from './ulysses.ts';

const known: Readonly<Record<Algorithm, AlgorithmPrograms>> = {
  'lv-xattn': lvXattn,
  ring,
  'all-gather': allGather,
  ulysses,
  'pass-q': passQ,
  'gather-q': gatherQ,
};

/** Whether this algorithm is published with a backward pass that Fovea has. */
export function hasPass(algorithm: Algorithm, pass: Pass): boolean {
  return known[algorithm].programs[pass] !== undefined;
}

/**
 * What every rank does.
 * @throws TrafficError `sizes`, `heads` or `pass`
 */
export function buildSchedule(algorithm: Algorithm, pass: Pass, sizes: Sizes): Schedule {
  const write = programWriter(algorithm, pass, sizes);
  const ranks = sizes.sharding.queryRows.length;
  let rounds = 1;
  const programs = Array.from({ length: ranks }, (_, rank) => {
    const builder = new ProgramBuilder(rank, sizes);
    rounds = write(builder);
    return builder.build();
  });
  return {
    format: scheduleFormat,
    version: scheduleVersion,
    algorithm,
    pass,
    ranks,
    rounds,
    shape: sizes.shape,
    sharding: sizes.sharding,
    wire: sizes.wire,
    programs,
  };
}

/** What one rank does: all that is needed where every rank does the same. @throws as `buildSchedule` */
export function buildProgram(algorithm: Algorithm, pass: Pass, sizes: Sizes, rank: number): RankProgram {
  const builder = new ProgramBuilder(rank, sizes);
  programWriter(algorithm, pass, sizes)(builder);
  return builder.build();
}

function programWriter(algorithm: Algorithm, pass: Pass, sizes: Sizes): ProgramWriter {
  requireSizes(sizes);
  const { programs, requireSizes: requireMore } = known[algorithm];
  requireMore?.(sizes);
  const writer = programs[pass];
  if (!writer) {
    const hint = 'Choose lv-xattn, ring, all-gather or ulysses.';
    throw new TrafficError('pass', `${algorithmNames[algorithm]} is published without a ${pass} pass.`, hint);
  }
  return writer;
}
