import { openTrafficFile } from '../../trace/file.ts';
import { rankCount, runLabel } from '../../trace/traffic/metadata.ts';

/** What lists show of a trace of traffic between ranks. */
export interface TrafficSummary {
  /** Absolute. */
  readonly path: string;
  /** Size of the trace on disk. */
  readonly bytes: number;
  readonly id: string;
  /** ISO 8601. */
  readonly created: string;
  readonly workload: string;
  /** What was asked of images; absent for noise. */
  readonly question?: string;
  readonly ranks: number;
  /** As people call them, each once, in the order of the runs. */
  readonly algorithms: readonly string[];
  readonly passes: readonly ('forward' | 'backward')[];
  readonly backend: string;
  readonly hardware: string;
  /** Some message took as long as an emulated link wanted. */
  readonly simulatedLinks: boolean;
  readonly state: 'complete' | 'partial';
  /** An assertion on bytes, ownership, overlap or agreement did not hold. */
  readonly failed: boolean;
}

/** Reads the header only. @throws TraceError when the file is no trace of traffic; errors of the file system as they come. */
export async function readTrafficSummary(path: string, bytes: number): Promise<TrafficSummary> {
  const reader = await openTrafficFile(path);
  await reader.close();
  const { id, created, workload, runs, status } = reader.metadata;
  const first = runs[0];
  return {
    path,
    bytes,
    id,
    created,
    workload: workload.name,
    ...(workload.question !== undefined && { question: workload.question }),
    ranks: rankCount(workload),
    algorithms: [...new Set(runs.map(runLabel))],
    passes: [...new Set(runs.map(({ pass }) => pass))],
    backend: first?.backend.name ?? '',
    hardware: first?.backend.hardware ?? '',
    simulatedLinks: runs.some(({ links }) => links.simulated),
    state: status.state,
    failed: runs.some(({ checks }) => checks.some(({ passed }) => !passed)),
  };
}
