/** One algorithm's part of a traffic trace, in the form in which it is drawn. */
import { measuredTimes } from '../../trace/traffic/checks.ts';
import { type ComputeEvent, type Ledger, ledgerOfRun, type TransferEvent } from '../../trace/traffic/ledger.ts';
import {
  rankCount,
  runLabel,
  type RunTimes,
  type TrafficMetadata,
  type TrafficRun,
} from '../../trace/traffic/metadata.ts';
import type { TensorKind } from '../../trace/traffic/schedule.ts';

/** What goes from rank to rank: query blocks, key-value shards, parts of both, or nothing at all. */
export type Moving = 'query' | 'keyValue' | 'both' | 'nothing';

export interface RunTraffic {
  /** In the metadata's `runs`. */
  readonly index: number;
  readonly run: TrafficRun;
  readonly title: string;
  readonly ranks: number;
  readonly rounds: number;
  readonly ledger: Ledger;
  readonly times: RunTimes;
  readonly moving: Moving;
  /** [rank][round]: owners of the blocks (of shards, where those move) that the rank works on. */
  readonly held: readonly (readonly (readonly number[])[])[];
  /** Nanoseconds until the last event of the ledger. */
  readonly end: number;
}

const keyValueKinds: readonly TensorKind[] = ['K', 'V', 'dK', 'dV'];

export function runTraffic(metadata: TrafficMetadata, ledger: Ledger): RunTraffic[] {
  const ranks = rankCount(metadata.workload);
  return metadata.runs.map((run, index) => {
    const own = ledgerOfRun(ledger, index);
    const moving = movingIn(own.transfers);
    return {
      index,
      run,
      title: runLabel(run),
      ranks,
      rounds: run.rounds,
      ledger: own,
      times: run.times ?? measuredTimes(own, ranks),
      moving,
      held: heldBlocks(own.computes, moving, ranks, run.rounds),
      end: lastEnd(own),
    };
  });
}

function movingIn(transfers: readonly TransferEvent[]): Moving {
  const keys = transfers.some(({ kind }) => keyValueKinds.includes(kind));
  const queries = transfers.some(({ kind }) => !keyValueKinds.includes(kind));
  if (keys && queries) return 'both';
  return keys ? 'keyValue' : queries ? 'query' : 'nothing';
}

const works = ({ kind }: ComputeEvent): boolean => kind === 'attention' || kind === 'gradient';

/** The block that a compute event is drawn in the colour of; -1 for all of them. */
export function blockOf({ owner, keyOwner }: ComputeEvent, moving: Moving): number {
  return moving === 'keyValue' ? keyOwner : owner;
}

function heldBlocks(computes: readonly ComputeEvent[], moving: Moving, ranks: number, rounds: number): number[][][] {
  const held = Array.from({ length: ranks }, () => Array.from({ length: rounds }, (): number[] => []));
  for (const event of computes) {
    const cell = works(event) ? held[event.rank]?.[event.round] : undefined;
    if (!cell) continue;
    const block = blockOf(event, moving);
    const blocks = block < 0 ? Array.from({ length: ranks }, (_, owner) => owner) : [block];
    for (const owner of blocks) if (!cell.includes(owner)) cell.push(owner);
  }
  return held;
}

function lastEnd({ transfers, computes, waits }: Ledger): number {
  let end = 0;
  for (const { started, ended } of [...transfers, ...computes, ...waits])
    end = Math.max(end, Number.isFinite(ended) ? ended : Number.isFinite(started) ? started : 0);
  return end;
}

/** The block that stands for a cell; the rank's own one where it holds many or none, and when everything is home. */
export function heldOwner({ held, rounds }: Pick<RunTraffic, 'held' | 'rounds'>, rank: number, round: number): number {
  const blocks = round < rounds ? held[rank]?.[round] : undefined;
  return blocks?.length === 1 ? blocks[0]! : rank;
}

/** The rank that works on a block in a round; its owner where none does. */
export function holderOf({ held, rounds }: Pick<RunTraffic, 'held' | 'rounds'>, owner: number, round: number): number {
  if (round >= rounds) return owner;
  const rank = held.findIndex(rows => rows[round]?.length === 1 && rows[round][0] === owner);
  return rank < 0 ? owner : rank;
}

export type RoundChoice = 'upTo' | 'only' | 'all';

export function transfersIn({ ledger }: RunTraffic, round: number, choice: RoundChoice): TransferEvent[] {
  if (choice === 'all') return [...ledger.transfers];
  return ledger.transfers.filter(each => (choice === 'only' ? each.round === round : each.round <= round));
}

/** [round], bytes sent by all ranks */
export function bytesPerRound({ ledger, rounds }: RunTraffic): number[] {
  const bytes = Array.from({ length: rounds }, () => 0);
  for (const transfer of ledger.transfers) if (transfer.round < rounds) bytes[transfer.round]! += transfer.bytes;
  return bytes;
}

/** A shard or block count that did not equal its formula. */
export interface ByteMismatch {
  readonly rank: number;
  readonly sent: number;
  readonly expected: number;
}

export function byteMismatches({ bytes }: TrafficRun): ByteMismatch[] {
  return bytes.sentPerRank.flatMap((sent, rank) => {
    const expected = bytes.expectedPerRank[rank]!;
    return sent === expected ? [] : [{ rank, sent, expected }];
  });
}

/** What moves, as the view says it: short, and with the sentence that explains it. */
export function movingWords(moving: Moving): { readonly block: string; readonly sentence: string } {
  switch (moving) {
    case 'query':
      return { block: 'query block', sentence: 'query blocks travel, keys and values stay' };
    case 'keyValue':
      return { block: 'key-value shard', sentence: 'keys and values travel, queries stay' };
    case 'both':
      return { block: 'query block', sentence: 'parts of queries, keys and values are exchanged' };
    case 'nothing':
      return { block: 'query block', sentence: 'nothing was sent' };
  }
}
