/** What the shell learns of how a command ended. Listed in `fovea --help`. */
import { TraceError } from '../../trace/errors.ts';
import { FoveaError, type FoveaErrorCode } from '../errors.ts';

export const exitCodes = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  input: 3,
  checkpoint: 4,
  resources: 5,
  file: 6,
  method: 7,
  cancelled: 130,
} as const;

const codeOf: Readonly<Record<FoveaErrorCode, number>> = {
  usage: exitCodes.usage,
  'image-unreadable': exitCodes.input,
  'image-too-large': exitCodes.input,
  'question-invalid': exitCodes.input,
  'question-too-long': exitCodes.input,
  'question-set': exitCodes.input,
  'checkpoint-missing': exitCodes.checkpoint,
  'checkpoint-malformed': exitCodes.checkpoint,
  'architecture-unsupported': exitCodes.checkpoint,
  'shape-mismatch': exitCodes.checkpoint,
  'method-failed': exitCodes.method,
  'budget-impossible': exitCodes.usage,
  'out-of-memory': exitCodes.resources,
  'device-unavailable': exitCodes.resources,
  'rank-failed': exitCodes.resources,
  disk: exitCodes.file,
  cancelled: exitCodes.cancelled,
};

/** An error as the command line tells it. */
export interface Failure {
  readonly exitCode: number;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

export function describeFailure(error: unknown): Failure {
  if (error instanceof FoveaError) {
    return { exitCode: codeOf[error.code], code: error.code, message: error.message, hint: error.hint };
  }
  if (error instanceof TraceError) {
    const hint =
      error.code === 'newer-schema'
        ? ''
        : 'Is it a trace of Fovea? A file that was copied only in part looks like this.';
    return { exitCode: exitCodes.file, code: `trace-${error.code}`, message: error.message, hint };
  }
  const message = error instanceof Error ? error.message : String(error);
  const hint = 'This should not happen. Set FOVEA_DEBUG=1 to see where, and please report it.';
  return { exitCode: exitCodes.unexpected, code: 'internal', message, hint };
}
