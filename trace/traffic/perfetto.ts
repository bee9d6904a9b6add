/**
 * A run as Chrome trace events, which ui.perfetto.dev opens: a process per rank, a thread each for compute, send,
 * receive and stall, because slices of one thread must nest. Flows lead from every send to its receive.
 */
import type { Ledger, TransferEvent } from './ledger.ts';
import { rankCount, runLabel, type TrafficMetadata } from './metadata.ts';

const lanes = ['compute', 'send', 'receive', 'stall'] as const;
type Lane = (typeof lanes)[number];

export type TraceEvent =
  | {
      readonly ph: 'M';
      readonly name: string;
      readonly pid: number;
      readonly tid?: number;
      readonly args: Readonly<Record<string, string | number>>;
    }
  | {
      readonly ph: 'X';
      readonly name: string;
      readonly cat: string;
      readonly pid: number;
      readonly tid: number;
      /** Microseconds. */
      readonly ts: number;
      readonly dur: number;
      readonly args: Readonly<Record<string, string | number | boolean>>;
    }
  | {
      readonly ph: 's' | 'f';
      readonly bp?: 'e';
      readonly name: string;
      readonly cat: string;
      readonly id: number;
      readonly pid: number;
      readonly tid: number;
      readonly ts: number;
    }
  | {
      readonly ph: 'C';
      readonly name: string;
      readonly pid: number;
      readonly ts: number;
      readonly args: Readonly<Record<string, number>>;
    };

export interface ChromeTrace {
  readonly displayTimeUnit: 'ns';
  readonly traceEvents: readonly TraceEvent[];
  readonly otherData: Readonly<Record<string, string>>;
}

/** Ranks of several runs are processes of their own. Only send slices carry `bytes`, so that their sum is the ledger's. */
export function chromeTrace(metadata: TrafficMetadata, ledger: Ledger): ChromeTrace {
  const ranks = rankCount(metadata.workload);
  const events: TraceEvent[] = metadata.runs.flatMap((run, index) =>
    Array.from({ length: ranks }, (_, rank) => {
      const simulated = run.links.simulated ? ', simulated links' : '';
      const title = `${runLabel(run)} ${run.pass}, rank ${rank}${simulated}`;
      return processEvents(pidOf(index, rank, ranks), title);
    }).flat(),
  );
  const slice = (
    run: number,
    rank: number,
    lane: Lane,
    name: string,
    start: number,
    end: number,
    args: Record<string, string | number | boolean>,
  ): void => {
    const [pid, tid] = [pidOf(run, rank, ranks), lanes.indexOf(lane)];
    events.push({ ph: 'X', name, cat: lane, pid, tid, ts: start / 1000, dur: (end - start) / 1000, args });
  };
  for (const { run, rank, kind, owner, keyOwner, round, flops, rowsVisible, started, ended } of ledger.computes) {
    if (!Number.isFinite(ended)) continue;
    const block = owner >= 0 ? ` block ${owner}` : keyOwner >= 0 ? ` shard ${keyOwner}` : '';
    slice(run, rank, 'compute', kind + block, started, ended, { round, owner, keyOwner, flops, rowsVisible });
  }
  for (const { run, rank, kind, owner, round, started, ended } of ledger.waits) {
    slice(run, rank, 'stall', `waits for ${kind} of ${owner}`, started, ended, { round });
  }
  for (const transfer of laneOrder(ledger.transfers)) {
    const { run, source, destination, kind, owner, round, hop, home, bytes } = transfer;
    const name = `${kind} of ${owner}`;
    slice(run, source, 'send', name, transfer.sendStart, transfer.end, { round, owner, hop, home, destination, bytes });
    slice(run, destination, 'receive', name, transfer.receiveStart, transfer.end, { round, owner, hop, home, source });
    const flow = { name, cat: 'transfer', id: transfer.id };
    const [from, to] = [pidOf(run, source, ranks), pidOf(run, destination, ranks)];
    events.push({ ph: 's', ...flow, pid: from, tid: lanes.indexOf('send'), ts: transfer.sendStart / 1000 });
    events.push({
      ph: 'f',
      bp: 'e',
      ...flow,
      pid: to,
      tid: lanes.indexOf('receive'),
      ts: transfer.receiveStart / 1000,
    });
  }
  for (const { run, rank, time, keyValue, inFlight } of ledger.memory) {
    const args = { keyValue, inFlight };
    events.push({ ph: 'C', name: 'bytes held', pid: pidOf(run, rank, ranks), ts: time / 1000, args });
  }
  return {
    displayTimeUnit: 'ns',
    traceEvents: events,
    otherData: { producer: `${metadata.producer.name} ${metadata.producer.version}`, workload: metadata.workload.name },
  };
}

function pidOf(run: number, rank: number, ranks: number): number {
  return run * ranks + rank + 1;
}

function processEvents(pid: number, title: string): TraceEvent[] {
  return [
    { ph: 'M', name: 'process_name', pid, args: { name: title } },
    { ph: 'M', name: 'process_sort_index', pid, args: { sort_index: pid } },
    ...lanes.map((lane, tid): TraceEvent => ({ ph: 'M', name: 'thread_name', pid, tid, args: { name: lane } })),
  ];
}

interface LaneTransfer extends TransferEvent {
  readonly id: number;
  readonly sendStart: number;
  readonly receiveStart: number;
  readonly end: number;
}

/**
 * Messages of one link that overlap in time, as several at once in memory do, are drawn one after the other: partial
 * overlap is not allowed. What never arrived is drawn as a moment.
 */
function laneOrder(transfers: readonly TransferEvent[]): LaneTransfer[] {
  const busy = new Map<string, number>();
  return transfers
    .map((transfer, id) => ({ ...transfer, id }))
    .toSorted((a, b) => a.started - b.started || a.id - b.id)
    .map(transfer => {
      const { run, source, destination, started, ended } = transfer;
      const [send, receive] = [`${run} s ${source}`, `${run} r ${destination}`];
      const sendStart = Math.max(started, busy.get(send) ?? 0);
      const receiveStart = Math.max(started, busy.get(receive) ?? 0);
      const end = Math.max(Number.isFinite(ended) ? ended : started, sendStart, receiveStart);
      busy.set(send, end);
      busy.set(receive, end);
      return { ...transfer, sendStart, receiveStart, end };
    });
}
