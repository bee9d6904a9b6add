/**
 * `sizes`: shapes or shards that fit no attention. `heads`: the algorithm cannot split these heads over so many ranks.
 * `pass`: the algorithm has no such pass. `violation`: a run did not do what its schedule and formulas say.
 */
export type TrafficErrorCode = 'sizes' | 'heads' | 'pass' | 'violation';

export class TrafficError extends Error {
  override readonly name = 'TrafficError';
  constructor(
    readonly code: TrafficErrorCode,
    message: string,
    readonly hint = '',
  ) {
    super(message);
  }
}
