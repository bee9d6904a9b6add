/** Where a run lets the rest of its process live: between two layers. */
import { setImmediate } from 'node:timers/promises';
import { FoveaError } from '../errors.ts';

/**
 * A session blocks the event loop while it computes. A message that waits in the channel needs one turn to be read, one
 * to be queued by the RPC library and one to be handled.
 */
const turns = 3;

/** @throws FoveaError `cancelled` when the signal was aborted, also just now */
export async function letOthersRun(signal: AbortSignal | undefined): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await setImmediate();
  throwIfCancelled(signal);
}

/** @throws FoveaError `cancelled` */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new FoveaError('cancelled', 'The run was cancelled.', 'Run it again when you like.');
}

export function isCancellation(error: unknown): error is FoveaError {
  return error instanceof FoveaError && error.code === 'cancelled';
}
