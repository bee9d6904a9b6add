import type { Page, PageCache } from '../source/page-cache.ts';
import { floatsOf } from '../source/floats.ts';
import { readAround } from '../source/read-around.ts';
import type { TraceSource } from '../source/trace-source.ts';
import { RunReadings } from './run-readings.ts';

/** Reads what is small once, and maps row by row and a little ahead, so that stepping waits for nothing. */
export class ReadingSource {
  /** null until it is here, and for runs that hold none. */
  run: RunReadings | null = null;
  /** Of the frames, decoded; undefined where one could not be. */
  pictures: readonly (CanvasImageSource | undefined)[] = [];
  private reading: Promise<void> | undefined;

  constructor(
    private readonly source: TraceSource,
    private readonly cache: PageCache,
  ) {}

  /** @returns undefined when there is nothing to wait for */
  read(): Promise<void> | undefined {
    const { tensors, metadata } = this.source;
    if (this.run || !metadata.crossAttention || !tensors['cross_attention.change']) return undefined;
    return (this.reading ??= this.load());
  }

  /** [layers, maps, tokens], probability; null where the trace leaves it out */
  page(row: number): Page | null {
    if (!this.source.tensors['cross_attention.to_tokens']) return null;
    return this.cache.read('cross_attention.to_tokens', [[row, row + 1]]);
  }

  /** Starts reading the rows around this one. */
  readAhead(row: number): void {
    readAround(row, this.run?.rows ?? 0, near => this.page(near));
  }

  private async load(): Promise<void> {
    const { metadata, tensors } = this.source;
    const described = metadata.crossAttention!;
    const change = floatsOf(await this.source.slice('cross_attention.change'));
    const shares = tensors['cross_attention.frame_share']
      ? floatsOf(await this.source.slice('cross_attention.frame_share'))
      : undefined;
    if (tensors['cross_attention.pictures']) {
      const { data } = await this.source.slice('cross_attention.pictures');
      this.pictures = await Promise.all(
        described.frames.map(async ({ offset, bytes, mime }) =>
          createImageBitmap(new Blob([data.slice(offset, offset + bytes)], { type: mime })).catch(() => undefined),
        ),
      );
    }
    this.run = new RunReadings(described, { change, ...(shares && { shares }) });
  }
}
