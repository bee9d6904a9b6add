/** What went wrong, for callers that act on it: exit codes, buttons, retries. */
export type FoveaErrorCode =
  | 'usage'
  | 'image-unreadable'
  | 'image-too-large'
  | 'question-invalid'
  | 'question-too-long'
  | 'question-set'
  | 'checkpoint-missing'
  | 'checkpoint-malformed'
  | 'architecture-unsupported'
  | 'method-failed'
  | 'budget-impossible'
  | 'shape-mismatch'
  | 'out-of-memory'
  | 'device-unavailable'
  | 'rank-failed'
  | 'disk'
  | 'cancelled';

/** An error meant for the user: `message` says what is wrong, `hint` what to do next. */
export class FoveaError extends Error {
  override readonly name = 'FoveaError';
  constructor(
    readonly code: FoveaErrorCode,
    message: string,
    readonly hint = '',
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
