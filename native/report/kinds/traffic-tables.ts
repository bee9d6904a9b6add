import type { Ledger, TransferEvent } from '../../../trace/traffic/ledger.ts';
import { hopMatrix } from '../../../trace/traffic/matrices.ts';
import { runLabel, type TrafficMetadata, type TrafficRun } from '../../../trace/traffic/metadata.ts';
import { tensorKinds } from '../../../trace/traffic/schedule.ts';
import type { CsvTable, Table } from '../document.ts';
import { quoted } from '../document.ts';
import { count } from '../numbers.ts';

/** µs below 1 ms, ms below 1 s. */
export function seconds(value: number): string {
  if (value < 0.001) return `${(value * 1e6).toFixed(1)} µs`;
  return value < 1 ? `${(value * 1000).toFixed(2)} ms` : `${value.toFixed(2)} s`;
}

const largest = (values: readonly number[]): number => Math.max(0, ...values);
const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

export function costTable(runs: readonly TrafficRun[]): Table {
  return {
    columns: [
      { title: 'algorithm', align: 'left' },
      { title: 'bytes sent, most of a rank', align: 'right' },
      { title: 'all ranks', align: 'right' },
      { title: 'time, measured', align: 'right' },
      { title: 'exposed', align: 'right' },
      { title: 'stall', align: 'right' },
      { title: 'time, predicted', align: 'right' },
      { title: 'largest difference to one device', align: 'right' },
    ],
    rows: runs.map(run => {
      const { bytes, times, predicted, agreement } = run;
      return {
        cells: [
          `${runLabel(run)}, ${run.pass}`,
          count(largest(bytes.sentPerRank)),
          count(total(bytes.sentPerRank)),
          times ? seconds(times.total) : 'did not end',
          times ? seconds(largest(times.exposed)) : '–',
          times ? seconds(largest(times.stall)) : '–',
          predicted ? seconds(predicted.total) : '–',
          agreement ? agreement.maxAbs.toExponential(1) : '–',
        ],
      };
    }),
  };
}

export function hopTable(transfers: readonly TransferEvent[], ranks: number): Table {
  const bytes = hopMatrix(transfers, ranks);
  return {
    columns: [
      { title: 'from \\ to', align: 'left' },
      ...bytes.map((_, rank) => ({ title: `rank ${rank}`, align: 'right' as const })),
      { title: 'sent', align: 'right' },
    ],
    rows: bytes.map((row, rank) => ({
      cells: [
        { words: `rank ${rank}`, strong: true },
        ...row.map(value => (value === 0 ? { words: '0', dim: true } : count(value))),
        { words: count(total(row)), strong: true },
      ],
    })),
  };
}

export function byteTable({ bytes }: TrafficRun): Table {
  const kinds = tensorKinds.filter(kind => bytes.sentByKind[kind]);
  return {
    columns: [
      { title: 'rank', align: 'left' },
      ...kinds.map(kind => ({ title: kind, align: 'right' as const })),
      { title: 'sent', align: 'right' },
      { title: 'by formula', align: 'right' },
    ],
    rows: bytes.sentPerRank.map((sent, rank) => ({
      cells: [
        String(rank),
        ...kinds.map(kind => count(bytes.sentByKind[kind]![rank] ?? 0)),
        { words: count(sent), strong: true },
        count(bytes.expectedPerRank[rank] ?? 0),
      ],
    })),
  };
}

export function memoryTable({ times, memory }: TrafficRun): Table {
  return {
    columns: [
      { title: 'rank', align: 'left' },
      { title: 'computing', align: 'right' },
      { title: 'communicating', align: 'right' },
      { title: 'exposed', align: 'right' },
      { title: 'stall', align: 'right' },
      { title: `memory at most, bytes (${memory.method})`, align: 'right' },
    ],
    rows: memory.peakPerRank.map((peak, rank) => ({
      cells: [
        String(rank),
        ...(times
          ? [times.compute, times.communication, times.exposed, times.stall].map(values => seconds(values[rank] ?? 0))
          : ['–', '–', '–', '–']),
        count(peak),
      ],
    })),
  };
}

export function checkTable({ checks }: TrafficRun): Table {
  return {
    columns: [
      { title: 'check', align: 'left' },
      { title: 'held', align: 'left' },
      { title: 'what was found', align: 'left' },
    ],
    rows: checks.map(({ name, passed, message }) => ({
      cells: [name, { words: passed ? 'yes' : 'NO', strong: !passed }, quoted(message)],
      chosen: !passed,
    })),
  };
}

/** Every run with its bytes and times, and every event of the ledger. */
export function ledgerLines({ runs }: TrafficMetadata, { transfers, computes, waits }: Ledger): CsvTable[] {
  return [
    {
      lines: [
        [
          'run',
          'algorithm',
          'pass',
          'rank',
          'sent',
          'expected',
          'compute_s',
          'communication_s',
          'exposed_s',
          'stall_s',
        ],
        ...runs.flatMap((run, index) =>
          run.bytes.sentPerRank.map((sent, rank) => [
            index,
            runLabel(run),
            run.pass,
            rank,
            sent,
            run.bytes.expectedPerRank[rank] ?? '',
            ...(run.times
              ? [run.times.compute, run.times.communication, run.times.exposed, run.times.stall].map(
                  values => values[rank] ?? '',
                )
              : ['', '', '', '']),
          ]),
        ),
      ],
    },
    {
      suffix: 'transfers',
      lines: [
        [
          'run',
          'pass',
          'round',
          'kind',
          'owner',
          'source',
          'destination',
          'bytes',
          'posted_ns',
          'started_ns',
          'ended_ns',
        ],
        ...transfers.map(event => [
          event.run,
          event.pass,
          event.round,
          event.kind,
          event.owner,
          event.source,
          event.destination,
          event.bytes,
          event.posted,
          event.started,
          event.ended,
        ]),
      ],
    },
    {
      suffix: 'events',
      lines: [
        ['run', 'rank', 'round', 'what', 'owner', 'started_ns', 'ended_ns'],
        ...computes.map(event => [
          event.run,
          event.rank,
          event.round,
          event.kind,
          event.owner,
          event.started,
          event.ended,
        ]),
        ...waits.map(event => [
          event.run,
          event.rank,
          event.round,
          `wait for ${event.kind}`,
          event.owner,
          event.started,
          event.ended,
        ]),
      ],
    },
  ];
}
