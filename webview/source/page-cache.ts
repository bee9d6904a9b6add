import type { TensorName } from '../../trace/schema.ts';
import { floatsOf } from './floats.ts';
import type { AxisRange, TraceSource } from './trace-source.ts';

/** Either the values, or the promise of them when they must be read first. */
export type Page = Float32Array | Promise<Float32Array>;

/** 64 MiB of decoded values. */
const defaultPageBytes = 64 * 2 ** 20;

/**
 * Decoded pages of a trace, least recently used out first. Values that are here are returned at once, so that a hover
 * needs no turn of the event loop; a page that is under way is not asked for twice.
 */
export class PageCache {
  private readonly pages = new Map<string, Float32Array>();
  private readonly underWay = new Map<string, Promise<Float32Array>>();
  private bytes = 0;

  constructor(
    private readonly source: Pick<TraceSource, 'slice'>,
    private readonly capacity = defaultPageBytes,
  ) {}

  get byteLength(): number {
    return this.bytes;
  }

  read(tensor: TensorName, ranges: readonly AxisRange[]): Page {
    return this.derive(`${tensor}${JSON.stringify(ranges)}`, () => this.fetch(tensor, ranges));
  }

  /** Keeps what is computed from a slice instead of the slice, under the same limit. */
  derive(key: string, compute: () => Promise<Float32Array>): Page {
    const kept = this.pages.get(key);
    if (kept) {
      this.pages.delete(key);
      this.pages.set(key, kept);
      return kept;
    }
    const reading = this.underWay.get(key);
    if (reading) return reading;
    const started = compute()
      .then(values => {
        this.keep(key, values);
        return values;
      })
      .finally(() => this.underWay.delete(key));
    this.underWay.set(key, started);
    return started;
  }

  /** One slice, decoded and not kept. */
  async fetch(tensor: TensorName, ranges: readonly AxisRange[]): Promise<Float32Array> {
    return floatsOf(await this.source.slice(tensor, ranges));
  }

  private keep(key: string, values: Float32Array): void {
    this.pages.set(key, values);
    this.bytes += values.byteLength;
    for (const [oldest, page] of this.pages) {
      // The newest page stays even when it alone is over the limit: without it nothing could be drawn.
      if (this.bytes <= this.capacity || oldest === key) return;
      this.pages.delete(oldest);
      this.bytes -= page.byteLength;
    }
  }
}
