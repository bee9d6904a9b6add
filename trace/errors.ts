export type TraceErrorCode =
  'malformed' | 'newer-schema' | 'other-kind' | 'missing-tensor' | 'wrong-tensor' | 'bad-metadata' | 'bad-value';

/** A file is no readable trace. `tensor` names the tensor at fault, when one is. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
  constructor(
    readonly code: TraceErrorCode,
    message: string,
    readonly tensor?: string,
  ) {
    super(message);
  }
}
