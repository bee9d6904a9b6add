/** Bytes from rank to rank, as links carry them, and from owner to consumer, as algorithms mean them. */
import type { TransferEvent } from './ledger.ts';

/** [source][destination], bytes */
export function hopMatrix(transfers: readonly TransferEvent[], ranks: number): number[][] {
  return matrix(transfers, ranks, ({ source }) => source);
}

/** [owner][consumer], bytes: whose block arrived where, over however many hops. Results on their way home count, too. */
export function logicalMatrix(transfers: readonly TransferEvent[], ranks: number): number[][] {
  return matrix(transfers, ranks, ({ owner }) => owner);
}

function matrix(
  transfers: readonly TransferEvent[],
  ranks: number,
  rowOf: (transfer: TransferEvent) => number,
): number[][] {
  const bytes = Array.from({ length: ranks }, () => Array.from({ length: ranks }, () => 0));
  for (const transfer of transfers) bytes[rowOf(transfer)]![transfer.destination]! += transfer.bytes;
  return bytes;
}
