/** What `fovea traffic` prints for people. */
import { rankCount, rowTotal, runLabel, type TrafficRun, type TrafficWorkload } from '../../trace/traffic/metadata.ts';
import type { TrafficProgress } from '../rpc.ts';
import type { TrafficOutcome } from '../traffic/run-traffic.ts';
import { printable, type TextStyle } from './terminal.ts';

export function trafficReport({ metadata }: TrafficOutcome, trace: string | undefined, style: TextStyle): string {
  const { workload, runs } = metadata;
  const lines = [
    ...workloadLines(workload, style),
    `links    ${runs[0]!.links.description}`,
    '',
    ...table(
      ['', 'bytes sent, rank 0', 'time', 'exposed', 'stall', 'difference to one device'],
      runs.map(run => runCells(run)),
      style,
    ),
    '',
  ];
  for (const run of runs) {
    if (run.status.state === 'partial') {
      lines.push(style.red(`${runLabel(run)} broke off: ${printable(run.status.cause.message)}`));
      lines.push(`  ${printable(run.status.cause.hint)} What was recorded until then is kept.`);
    }
    for (const { passed, name, message } of run.checks) {
      lines.push(`${passed ? style.green('✓') : style.red('✗')} ${runLabel(run)}, ${name}: ${message}`);
    }
  }
  if (trace !== undefined) lines.push('', `trace    ${trace}`);
  return indented(lines);
}

function runCells(run: TrafficRun): string[] {
  const { times, agreement, bytes } = run;
  const milliseconds = (value: number | undefined): string =>
    value === undefined ? '–' : `${(value * 1000).toFixed(2)} ms`;
  const median = run.repeats.totals.toSorted((a, b) => a - b)[Math.floor((run.repeats.totals.length - 1) / 2)];
  return [
    runLabel(run),
    bytes.sentPerRank[0]!.toLocaleString('en'),
    milliseconds(median ?? times?.total),
    milliseconds(times && Math.max(...times.exposed)),
    milliseconds(times && Math.max(...times.stall)),
    agreement ? `${agreement.maxAbs.toExponential(1)}, relative ${agreement.relL2.toExponential(1)}` : '–',
  ];
}

export function workloadLines(workload: TrafficWorkload, style: TextStyle): string[] {
  const { shape, sharding, element, unverified } = workload;
  const heads = `${shape.queryHeads} heads over ${shape.keyValueHeads} of keys and values, size ${shape.headSize}`;
  return [
    '',
    style.bold(printable(workload.name)),
    `what     ${printable(workload.description)}`,
    `sizes    ${rowTotal(sharding.queryRows)} queries, ${rowTotal(sharding.keyRows)} keys, ${heads}; ${element}`,
    `ranks    ${rankCount(workload)}`,
    ...(unverified ? [style.yellow(`not verified: ${unverified.join('; ')}`)] : []),
  ];
}

export function table(head: readonly string[], rows: readonly (readonly string[])[], style: TextStyle): string[] {
  const widths = head.map((cell, column) => Math.max(cell.length, ...rows.map(row => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  ');
  return [style.dim(line(head)), ...rows.map(line)];
}

export function indented(lines: readonly string[]): string {
  return `${lines.map(line => (line === '' ? '' : `  ${line}`)).join('\n')}\n\n`;
}

/** One line on stderr, if that is a terminal. */
export function trafficProgress(
  stream: NodeJS.WriteStream,
  style: TextStyle,
): { readonly show: (progress: TrafficProgress) => void; readonly clear: () => void } {
  const write = (text: string): void => {
    if (stream.isTTY) stream.write(`\r\u001b[2K${text}`);
  };
  return {
    show: ({ doing, label, done, total }) => {
      const of = style.dim(`${done + 1} of ${total}`);
      if (doing === 'workload') write('preparing the workload');
      else write(`${doing === 'run' ? `running ${label}` : 'computing on one device, to compare with'} ${of}`);
    },
    clear: () => {
      write('');
    },
  };
}
