/** Runs every run of a comparison again, one after the other. */
import { TraceError } from '../../trace/errors.ts';
import { FoveaError } from '../errors.ts';
import { reproduce, type ReproduceOptions, type Reproduction } from './reproduce.ts';
import type { SavedRun } from './saved-report.ts';

/** Of one run: how the two compare, or why it could not be run. */
export type RunVerdict = { readonly name: string } & (
  { readonly reproduction: Reproduction } | { readonly failure: FoveaError | TraceError }
);

/** @param again runs one; errors that concern it alone become its verdict @throws FoveaError `cancelled` */
export async function* reproduceRuns(
  runs: readonly SavedRun[],
  options: ReproduceOptions,
  again: typeof reproduce = reproduce,
): AsyncGenerator<RunVerdict> {
  for (const { name, metadata } of runs) {
    if (isAborted(options)) throw cancelled();
    try {
      yield { name, reproduction: await again(metadata, options) };
    } catch (error) {
      if (isAborted(options)) throw cancelled(error);
      const known = error instanceof FoveaError || error instanceof TraceError;
      if (!known) throw error;
      yield { name, failure: error };
    }
  }
}

const isAborted = ({ signal }: ReproduceOptions): boolean => signal.aborted;

const cancelled = (cause?: unknown): FoveaError =>
  new FoveaError('cancelled', 'Cancelled before all runs could be compared.', '', { cause });
