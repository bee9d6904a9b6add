/** What a traffic trace contains beside its metadata: the one place that lists its tensors. */
import { ledgerColumns, type LedgerTable } from './ledger.ts';
import { rowTotal, type TrafficMetadata } from './metadata.ts';

/** `events`, `regions` and `bytes` are known only to the file. */
export type TrafficAxis = 'events' | 'columns' | 'queryRows' | 'frames' | 'regionRows' | 'regionColumns' | 'bytes';

export interface TrafficTensorSpec {
  readonly dtypes: readonly ('F64' | 'F32' | 'U8')[];
  readonly axes: readonly TrafficAxis[];
  readonly unit: string;
  readonly meaning: string;
}

const table = (meaning: string): TrafficTensorSpec => ({
  dtypes: ['F64'],
  axes: ['events', 'columns'],
  unit: 'as the column says: ns, bytes, FLOPs, indices',
  meaning,
});

/** All are optional: a run that failed early has few of them. */
export const trafficTensorSpecs = {
  'traffic.transfers': table('Every message, in the order in which they were posted'),
  'traffic.computes': table('Every operation on the compute lane of a rank'),
  'traffic.waits': table('Every stall of a compute lane, and what it waited for'),
  'traffic.memory': table('Bytes that a rank held, after every operation'),
  'traffic.agreement': table('Results against the same attention on one device'),
  'workload.frame_attention': {
    dtypes: ['F32'],
    axes: ['queryRows', 'frames'],
    unit: 'probability',
    meaning: 'How much of its attention each query gave to each frame, mean over heads; sums to 1, or 0 where masked',
  },
  'workload.region_attention': {
    dtypes: ['F32'],
    axes: ['queryRows', 'frames', 'regionRows', 'regionColumns'],
    unit: 'probability',
    meaning: 'The same by region of the frame',
  },
  'workload.frames': {
    dtypes: ['U8'],
    axes: ['bytes'],
    unit: 'encoded images',
    meaning: "The frames for display, one after the other; workload.frames of the metadata has each one's place",
  },
} as const satisfies Record<LedgerTable | `workload.${string}`, TrafficTensorSpec>;

export type TrafficTensorName = keyof typeof trafficTensorSpecs;
export const trafficTensorNames = Object.keys(trafficTensorSpecs) as TrafficTensorName[];

/** The length of an axis as the metadata implies it; `undefined` where only the file knows. */
export function trafficAxisLength(
  axis: TrafficAxis,
  name: TrafficTensorName,
  { workload }: TrafficMetadata,
): number | undefined {
  switch (axis) {
    case 'columns':
      return isLedgerTable(name) ? ledgerColumns[name].length : undefined;
    case 'queryRows':
      return rowTotal(workload.sharding.queryRows);
    case 'frames':
      return workload.frames?.length ?? 0;
    case 'events':
    case 'regionRows':
    case 'regionColumns':
    case 'bytes':
      return undefined;
  }
}

function isLedgerTable(name: string): name is LedgerTable {
  return name in ledgerColumns;
}
