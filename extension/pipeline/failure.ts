import type { PipelineError } from '../../native/rpc.ts';

/** How a process came to its end. */
export interface ProcessEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The last 4 kB that the process wrote to stderr. */
  readonly stderrTail: string;
}

/**
 * `reported`: the pipeline said what is wrong. `crashed`: its process ended in the middle of a request.
 * `refused`: it crashed so often that it is not started for a while.
 */
export type PipelineFailureDetail =
  | { readonly kind: 'reported'; readonly code: PipelineError['code']; readonly hint: string }
  | { readonly kind: 'crashed'; readonly end: ProcessEnd }
  | { readonly kind: 'refused'; readonly seconds: number };

/** A request to the pipeline failed. Being cancelled is no failure. */
export class PipelineFailure extends Error {
  override readonly name = 'PipelineFailure';
  constructor(
    message: string,
    readonly detail: PipelineFailureDetail,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** "exit code 3", "signal SIGSEGV" */
export function howItEnded(end: ProcessEnd): string {
  return end.signal === null ? `exit code ${end.exitCode ?? 'unknown'}` : `signal ${end.signal}`;
}

/**
 * The line of stderr that says most about the end: the error itself, not the stack below it or the "Node.js v20" that
 * Node prints last. Empty when nothing was written.
 */
export function lastWords(stderrTail: string): string {
  const lines = stderrTail
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !/^(at |Node\.js v|[\^~{}[\]]+$)/.test(line));
  return lines.findLast(line => /^(Uncaught )?\w*(Error|Exception)\b.*:/.test(line)) ?? lines.at(-1) ?? '';
}

export function crashed(end: ProcessEnd): PipelineFailure {
  const tail = end.stderrTail === '' ? '' : `\n${end.stderrTail}`;
  return new PipelineFailure(`The pipeline ended unexpectedly (${howItEnded(end)}).${tail}`, { kind: 'crashed', end });
}

export function refused(milliseconds: number): PipelineFailure {
  const seconds = Math.ceil(milliseconds / 1000);
  return new PipelineFailure(
    `The pipeline crashed three times within a minute and is not started for another ${seconds} s.`,
    { kind: 'refused', seconds },
  );
}
