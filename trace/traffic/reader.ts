import type { SafetensorsHeader } from '../safetensors.ts';
import { type ByteSource, openHeader, TensorFile } from '../tensor-file.ts';
import { TraceError } from '../errors.ts';
import { type Ledger, type LedgerTable, ledgerTables } from './ledger.ts';
import { decodeLedger } from './ledger-tables.ts';
import { rankCount, type TrafficMetadata } from './metadata.ts';
import { type TrafficTensorName, trafficTensorNames } from './schema.ts';
import { checkLedgerRanks, parseTrafficMetadata, validateTrafficTensors } from './validation.ts';

type Contents = Partial<Record<TrafficTensorName, { readonly shape: readonly number[]; readonly data: Uint8Array }>>;

/** All tensors of a traffic trace, as they lie in the file. */
export type TrafficTensors = Readonly<Contents>;

/** An open trace of traffic. */
export class TrafficReader extends TensorFile<TrafficTensorName> {
  private constructor(
    source: ByteSource,
    readonly metadata: TrafficMetadata,
    { tensors }: SafetensorsHeader,
  ) {
    super(source, tensors, trafficTensorNames);
  }

  /** Reads and validates the header. @throws TraceError naming the tensor at fault; the source is then closed. */
  static open(source: ByteSource): Promise<TrafficReader> {
    return openHeader(source, header => {
      const metadata = parseTrafficMetadata(header.metadata);
      validateTrafficTensors(metadata, header.tensors);
      return new TrafficReader(source, metadata, header);
    });
  }

  /** All tensors, after a look at every event: a number that stands for nothing is found here. @throws TraceError */
  async contents(): Promise<TrafficTensors> {
    await this.ledger();
    const tensors: Contents = {};
    for (const name of Object.keys(this.tensors) as TrafficTensorName[]) {
      const { shape, data } = await this.slice(name);
      tensors[name] = { shape, data };
    }
    return tensors;
  }

  /** All events. @throws TraceError `bad-value` for a number that stands for nothing */
  async ledger(): Promise<Ledger> {
    const tables: Partial<Record<LedgerTable, Float64Array>> = {};
    for (const table of ledgerTables) {
      if (!(table in this.tensors)) continue;
      const { data } = await this.slice(table);
      tables[table] = new Float64Array(data.buffer, data.byteOffset, data.byteLength / 8);
    }
    try {
      const ledger = decodeLedger(tables);
      checkLedgerRanks(ledger, rankCount(this.metadata.workload));
      return ledger;
    } catch (error) {
      if (error instanceof RangeError) throw new TraceError('bad-value', error.message);
      throw error;
    }
  }
}
