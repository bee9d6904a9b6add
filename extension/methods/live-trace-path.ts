import { traceExtension } from '../../trace/schema.ts';

const liveEnding = `-live${traceExtension}`;

/** Where a run is written again while its method is edited: beside the first one, which stays as it was. */
export function liveTracePath(trace: string): string {
  if (trace.endsWith(liveEnding)) return trace;
  const stem = trace.endsWith(traceExtension) ? trace.slice(0, -traceExtension.length) : trace;
  return stem + liveEnding;
}
