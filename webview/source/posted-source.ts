import type { RunMetadata, TensorName } from '../../trace/schema.ts';
import type { AxisRange, TensorShape, ToHost, ToPanel } from '../messages.ts';
import type { Slice, TraceSource } from './trace-source.ts';

interface Waiting {
  readonly resolve: (slice: Slice) => void;
  readonly reject: (error: Error) => void;
}

/** Counts on over all sources: an answer still on its way to a closed one must not fit a request of the next. */
let nextRequest = 1;

/** A trace whose slices are asked from the host by message. */
export class PostedSource implements TraceSource {
  private readonly waiting = new Map<number, Waiting>();

  constructor(
    readonly metadata: RunMetadata,
    readonly tensors: Readonly<Partial<Record<TensorName, TensorShape>>>,
    private readonly post: (message: ToHost) => void,
    /** Its number at the host; 0 is the panel's own run. */
    readonly run = 0,
  ) {}

  slice(tensor: TensorName, ranges: readonly AxisRange[] = []): Promise<Slice> {
    const request = nextRequest++;
    return new Promise((resolve, reject) => {
      this.waiting.set(request, { resolve, reject });
      this.post({ type: 'slice', request, run: this.run, tensor, ranges });
    });
  }

  /** Takes the answers among the host's messages. */
  receive(message: ToPanel): void {
    if (message.type !== 'slice' && message.type !== 'sliceFailed') return;
    const waiting = this.waiting.get(message.request);
    if (!waiting) return;
    this.waiting.delete(message.request);
    if (message.type === 'slice') waiting.resolve(message);
    else waiting.reject(new Error(message.message));
  }

  /** Fails what is still under way, when another run replaces this one. */
  close(): void {
    for (const { reject } of this.waiting.values()) reject(new Error('Another run was opened.'));
    this.waiting.clear();
  }
}
