/** The images of a workload and where its queries looked, from the tensors of the trace. */
import { rowTotal, type TrafficWorkload, type WorkloadFrame } from '../../trace/traffic/metadata.ts';
import type { TrafficTensors } from '../messages.ts';

export interface Regions {
  readonly rows: number;
  readonly columns: number;
}

/** Attention of one query block, mean over its queries. */
export interface BlockAttention {
  /** [frames], probability */
  readonly frames: Float32Array;
  /** [frames * rows * columns], probability; empty where the trace has none */
  readonly regions: Float32Array;
}

export class WorkloadPictures {
  readonly frames: readonly WorkloadFrame[];
  readonly regions: Regions | undefined;
  /** Decoded, in the order of `frames`; filled by `load`. */
  readonly drawables: (CanvasImageSource | undefined)[] = [];
  private readonly byFrame: Float32Array | undefined;
  private readonly byRegion: Float32Array | undefined;
  private readonly blocks = new Map<number, BlockAttention>();

  constructor(
    private readonly workload: TrafficWorkload,
    private readonly tensors: TrafficTensors,
  ) {
    this.frames = workload.frames ?? [];
    this.byFrame = floats(tensors['workload.frame_attention']?.data);
    const region = tensors['workload.region_attention'];
    this.byRegion = floats(region?.data);
    this.regions = region && { rows: region.shape[2]!, columns: region.shape[3]! };
  }

  get attended(): boolean {
    return this.byFrame !== undefined && this.frames.length > 0;
  }

  /** @throws Error when a picture cannot be decoded */
  async load(): Promise<void> {
    const data = this.tensors['workload.frames']?.data;
    if (!data) return;
    const decoded = await Promise.all(
      this.frames.map(async ({ offset, bytes, mime }) =>
        createImageBitmap(new Blob([data.slice(offset, offset + bytes)], { type: mime })),
      ),
    );
    this.drawables.splice(0, this.drawables.length, ...decoded);
  }

  /** Where the queries of a block looked; undefined where the trace does not say, or the block is empty. */
  attention(owner: number): BlockAttention | undefined {
    const { byFrame, frames } = this;
    const { queryRows } = this.workload.sharding;
    const first = rowTotal(queryRows.slice(0, owner));
    const rows = queryRows[owner] ?? 0;
    if (!byFrame || rows === 0) return undefined;
    const known = this.blocks.get(owner);
    if (known) return known;
    const block = {
      frames: meanRows(byFrame, first, rows, frames.length),
      regions:
        this.byRegion && this.regions
          ? meanRows(this.byRegion, first, rows, frames.length * this.regions.rows * this.regions.columns)
          : new Float32Array(),
    };
    this.blocks.set(owner, block);
    return block;
  }
}

function floats(data: Uint8Array | undefined): Float32Array | undefined {
  return data && new Float32Array(data.slice().buffer);
}

/** @param values [all rows, width] @returns [width] */
function meanRows(values: Float32Array, first: number, rows: number, width: number): Float32Array {
  const mean = new Float32Array(width);
  for (let row = first; row < first + rows; row++)
    for (let i = 0; i < width; i++) mean[i]! += values[row * width + i]! / rows;
  return mean;
}
