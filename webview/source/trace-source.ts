import type { RunMetadata, TensorName, TraceDtype } from '../../trace/schema.ts';
import type { AxisRange, TensorShape } from '../messages.ts';

export type { AxisRange, TensorShape };

export interface Slice {
  readonly dtype: TraceDtype;
  readonly shape: readonly number[];
  /** Little-endian, row-major, tight. */
  readonly data: Uint8Array;
}

/**
 * Where the views get a run from. The panel's is posted from the extension page by page; a report's is embedded in the
 * document. Views know nothing else of the outside.
 */
export interface TraceSource {
  readonly metadata: RunMetadata;
  readonly tensors: Readonly<Partial<Record<TensorName, TensorShape>>>;
  /** One hyper-rectangle; missing trailing ranges mean the whole axis. Rejects with a message for the user. */
  slice(tensor: TensorName, ranges?: readonly AxisRange[]): Promise<Slice>;
}
