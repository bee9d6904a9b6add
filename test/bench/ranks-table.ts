/** Traces of the ranks' benchmark as Markdown tables: LV-XAttn's time and bytes, and its rivals' as multiples of them. */
import { openTrafficFile } from '../../trace/file.ts';
import { algorithmNames, runLabel, type TrafficMetadata, type TrafficRun } from '../../trace/traffic/metadata.ts';
import { type Pass, passes } from '../../trace/traffic/schedule.ts';

/** As `runLabel` names them, in the order of columns. */
const rivals = [
  algorithmNames.ring,
  `${algorithmNames.ring}, repeated heads`,
  algorithmNames['all-gather'],
  algorithmNames.ulysses,
  algorithmNames['pass-q'],
];

export async function measuredTraffic(files: readonly string[]): Promise<TrafficMetadata[]> {
  const found: TrafficMetadata[] = [];
  for (const file of files) {
    const reader = await openTrafficFile(file);
    found.push(reader.metadata);
    await reader.close();
  }
  return found;
}

/** A line for every workload, link and pass; rivals as "time × (bytes ×)" of LV-XAttn's. */
export function passesTable(traces: readonly TrafficMetadata[]): string {
  const header = ['workload', 'link', 'pass', 'LV-XAttn, median', 'spread', 'exposed', 'sent per rank', ...rivals];
  const rows = traces.flatMap(({ workload, runs }) =>
    passes.flatMap(pass => {
      const base = find(runs, pass, algorithmNames['lv-xattn']);
      if (!base) return [];
      const { totals } = base.repeats;
      return [
        [
          workload.name,
          linkName(base),
          pass,
          milliseconds(total(base)),
          `${milliseconds(Math.min(...totals))} – ${milliseconds(Math.max(...totals))}`,
          milliseconds(Math.max(...(base.times?.exposed ?? []))),
          megabytes(sent(base)),
          ...rivals.map(rival => {
            const run = find(runs, pass, rival);
            return run ? `${ratio(total(run) / total(base))} (${ratio(sent(run) / sent(base))})` : '–';
          }),
        ],
      ];
    }),
  );
  return table(header, rows);
}

/** Forward and backward together, as the paper counts cross-attention: a line for every workload, the ring on every link. */
export function linksTable(traces: readonly TrafficMetadata[]): string {
  const workloads = [...new Set(traces.map(({ workload }) => workload.name))];
  const fastestFirst = [...traces].sort((a, b) => bandwidth(b) - bandwidth(a));
  const links = [...new Set(fastestFirst.map(({ runs }) => linkName(runs[0]!)))];
  const header = ['ring over LV-XAttn, forward and backward', ...links];
  const rows = workloads.flatMap(name =>
    rivals.slice(0, 2).flatMap(rival => {
      const cells = links.map(link => {
        const trace = traces.find(({ workload, runs }) => workload.name === name && linkName(runs[0]!) === link);
        const times = [algorithmNames['lv-xattn'], rival].map(label =>
          passes.reduce((sum, pass) => sum + (trace ? timeOf(trace.runs, pass, label) : NaN), 0),
        );
        return Number.isNaN(times[1]!) ? undefined : ratio(times[1]! / times[0]!);
      });
      if (cells.every(cell => cell === undefined)) return [];
      return [[`${name}: ${rival === rivals[0] ? 'grouped' : 'repeated'} heads`, ...cells.map(cell => cell ?? '–')]];
    }),
  );
  return table(header, rows);
}

function bandwidth({ runs }: TrafficMetadata): number {
  const { simulated, bandwidth: emulated } = runs[0]!.links;
  return simulated ? (emulated ?? Infinity) : Infinity;
}

function timeOf(runs: readonly TrafficRun[], pass: Pass, label: string): number {
  const run = find(runs, pass, label);
  return run ? total(run) : NaN;
}

function find(runs: readonly TrafficRun[], pass: Pass, label: string): TrafficRun | undefined {
  return runs.find(run => run.pass === pass && runLabel(run) === label);
}

function linkName({ links }: TrafficRun): string {
  return links.simulated ? `${(links.bandwidth ?? 0) / 1e9} GB/s, emulated` : links.description;
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

function ratio(value: number): string {
  return `${rounded(value)} ×`;
}

function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** Padded, as Prettier pads Markdown tables. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((name, column) => Math.max(name.length, ...rows.map(row => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  const rule = `| ${widths.map(width => '-'.repeat(width)).join(' | ')} |`;
  return `${[line(header), rule, ...rows.map(line)].join('\n')}\n`;
}
