/** Traces of the ranks' benchmark as a Markdown table: time, exposed communication and bytes, and the ratio to LV-XAttn. */
import { openTrafficFile } from '../../trace/file.ts';
import { runLabel, type TrafficMetadata, type TrafficRun } from '../../trace/traffic/metadata.ts';
import { passes } from '../../trace/traffic/schedule.ts';

const header = [
  '| workload | link | pass | algorithm | median | spread | exposed | sent per rank | time over LV-XAttn | bytes over LV-XAttn |',
  '| -------- | ---- | ---- | --------- | ------ | ------ | ------- | ------------- | ------------------ | ------------------- |',
];

export async function ranksTable(files: readonly string[]): Promise<string> {
  const rows: string[] = [];
  for (const file of files) {
    const reader = await openTrafficFile(file);
    rows.push(...workloadRows(reader.metadata));
    await reader.close();
  }
  return `${[...header, ...rows].join('\n')}\n`;
}

function workloadRows({ workload, runs }: TrafficMetadata): string[] {
  return passes.flatMap(pass => {
    const ofPass = runs.filter(run => run.pass === pass);
    const base = ofPass.find(({ algorithm }) => algorithm === 'lv-xattn');
    return ofPass.map(run => {
      const { totals } = run.repeats;
      const exposed = run.times ? Math.max(...run.times.exposed) : NaN;
      const cells = [
        workload.name,
        run.links.simulated ? `${(run.links.bandwidth ?? 0) / 1e9} GB/s, emulated` : run.links.description,
        pass,
        runLabel(run),
        milliseconds(total(run)),
        `${milliseconds(Math.min(...totals))} – ${milliseconds(Math.max(...totals))}`,
        milliseconds(exposed),
        megabytes(sent(run)),
        base ? `${(total(run) / total(base)).toFixed(2)} ×` : '–',
        base ? `${(sent(run) / sent(base)).toFixed(1)} ×` : '–',
      ];
      return `| ${cells.join(' | ')} |`;
    });
  });
}

function total({ times }: TrafficRun): number {
  return times?.total ?? NaN;
}

function sent({ bytes }: TrafficRun): number {
  return Math.max(...bytes.sentPerRank);
}

function milliseconds(seconds: number): string {
  return `${rounded(seconds * 1000)} ms`;
}

function megabytes(bytes: number): string {
  return `${rounded(bytes / 1e6)} MB`;
}

function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
