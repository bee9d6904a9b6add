import type { TensorName } from '../../trace/schema.ts';
import type { Slice, TraceSource } from '../source/trace-source.ts';
import { RunFates, type FateTensors } from './run-fates.ts';

/** Reads the fates of a run, all of them once: they are small. */
export class FateSource {
  /** null until they are here, and for runs that hold none. */
  fates: RunFates | null = null;
  private reading: Promise<void> | undefined;

  constructor(private readonly source: TraceSource) {}

  /** @returns undefined when there is nothing to wait for */
  read(): Promise<void> | undefined {
    const { tensors, metadata } = this.source;
    if (this.fates || !metadata.reduction || !tensors['fates.fate']) return undefined;
    return (this.reading ??= this.load());
  }

  private async load(): Promise<void> {
    const { tensors, metadata } = this.source;
    const { grid } = metadata.visual;
    const slice = async (name: TensorName): Promise<Slice | undefined> =>
      tensors[name] ? this.source.slice(name) : undefined;
    const [fate, reason, key, token, weight, partner, scores] = await Promise.all([
      slice('fates.fate'),
      slice('fates.reason'),
      slice('fates.key'),
      slice('fates.token'),
      slice('fates.weight'),
      slice('fates.partner'),
      slice('fates.scores'),
    ]);
    const values: FateTensors = {
      fate: fate!.data,
      ...(reason && { reason: reason.data }),
      ...(key && { key: key.data }),
      ...(token && { token: integers(token) }),
      ...(weight && { weight: floats(weight) }),
      ...(partner && { partner: integers(partner) }),
      ...(scores && { scores: floats(scores) }),
    };
    this.fates = new RunFates(metadata.reduction!, grid.rows * grid.columns, values);
  }
}

/** Bytes whose buffer can be read four by four. */
const aligned = ({ data }: Slice): Uint8Array => (data.byteOffset % 4 === 0 ? data : data.slice());

function integers(slice: Slice): Int32Array {
  const { buffer, byteOffset, byteLength } = aligned(slice);
  return new Int32Array(buffer, byteOffset, byteLength / 4);
}

function floats(slice: Slice): Float32Array {
  const { buffer, byteOffset, byteLength } = aligned(slice);
  return new Float32Array(buffer, byteOffset, byteLength / 4);
}
