import type { TensorData } from '../safetensors.ts';
import { bytesOf, encodeChecked } from '../writer.ts';
import { type Ledger, ledgerColumns, ledgerTables } from './ledger.ts';
import { encodeTable } from './ledger-tables.ts';
import type { TrafficMetadata } from './metadata.ts';
import type { TrafficTensorName } from './schema.ts';
import { validateTrafficMetadata, validateTrafficTensors } from './validation.ts';

export interface TrafficContent {
  readonly ledger: Ledger;
  /** Tensors of the workload. */
  readonly tensors?: Readonly<Partial<Record<Extract<TrafficTensorName, `workload.${string}`>, TensorData>>>;
}

/**
 * A traffic trace as consecutive byte parts, checked by the same rules that a reader applies.
 * @throws TraceError naming the tensor or field at fault
 */
export function encodeTraffic(metadata: TrafficMetadata, { ledger, tensors }: TrafficContent): Uint8Array[] {
  validateTrafficMetadata(metadata);
  const all: Record<string, TensorData> = { ...tensors };
  for (const table of ledgerTables) {
    const cells = encodeTable(table, ledger);
    const columns = ledgerColumns[table].length;
    if (cells.length > 0) all[table] = { dtype: 'F64', shape: [cells.length / columns, columns], data: bytesOf(cells) };
  }
  return encodeChecked(metadata, all, entries => {
    validateTrafficTensors(metadata, entries);
  });
}
