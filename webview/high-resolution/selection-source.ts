import type { TensorName } from '../../trace/schema.ts';
import type { PageCache } from '../source/page-cache.ts';
import { readAround } from '../source/read-around.ts';
import type { TraceSource } from '../source/trace-source.ts';
import { floatsOf } from '../source/floats.ts';
import { RunSelections } from './run-selections.ts';

/** The tensors of one step that are too large to be held for all steps; what the trace leaves out is null. */
export interface StepPage {
  readonly step: number;
  /** [layers, patches], probability, sum over heads */
  readonly attention: Float32Array | null;
  /** [layers, patches], 0 to 1; NaN where the row is flat */
  readonly normalised: Float32Array | null;
  /** [layers, patches], 0 or 1 */
  readonly binarised: Float32Array | null;
  /** [layers, tokens], probability, mean over heads */
  readonly tokenAttention: Float32Array | null;
}

const pageTensors = {
  attention: 'high_resolution.attention',
  normalised: 'high_resolution.normalised',
  binarised: 'high_resolution.binarised',
  tokenAttention: 'high_resolution.token_attention',
} as const satisfies Record<Exclude<keyof StepPage, 'step'>, TensorName>;

/** Reads selections: what is small once, the rest step by step and a little ahead, so that stepping waits for nothing. */
export class SelectionSource {
  /** null until they are here, and for runs that hold none. */
  run: RunSelections | null = null;
  private reading: Promise<void> | undefined;

  constructor(
    private readonly source: TraceSource,
    private readonly cache: PageCache,
  ) {}

  /** @returns undefined when there is nothing to wait for */
  read(): Promise<void> | undefined {
    const { tensors, metadata } = this.source;
    if (this.run || !metadata.highResolution || !tensors['high_resolution.cells']) return undefined;
    return (this.reading ??= this.load());
  }

  /** The pages of a step, or a promise that tells when they are here. */
  page(step: number): StepPage | Promise<unknown> {
    const parts = Object.entries(pageTensors).map(
      ([part, tensor]) =>
        [part, this.source.tensors[tensor] ? this.cache.read(tensor, [[step, step + 1]]) : null] as const,
    );
    const waiting = parts.flatMap(([, page]) => (page instanceof Promise ? [page] : []));
    if (waiting.length > 0) return Promise.all(waiting);
    return { step, ...Object.fromEntries(parts) } as StepPage;
  }

  /** Starts reading the steps around this one. */
  readAhead(step: number): void {
    readAround(step, this.run?.steps ?? 0, near => this.page(near));
  }

  private async load(): Promise<void> {
    const { tensors, metadata } = this.source;
    const floats = async (name: TensorName): Promise<Float32Array | undefined> =>
      tensors[name] ? floatsOf(await this.source.slice(name)) : undefined;
    const [{ data: cells }, mass, change, range] = await Promise.all([
      this.source.slice('high_resolution.cells'),
      floats('high_resolution.mass'),
      floats('high_resolution.change'),
      floats('high_resolution.range'),
    ]);
    this.run = new RunSelections(metadata.highResolution!, metadata.model.decoder.heads, {
      cells,
      ...(mass && { mass }),
      ...(change && { change }),
      ...(range && { range }),
    });
  }
}
