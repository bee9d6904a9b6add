/** The part of docs/benchmarks.md about token methods, and what its numbers say of each other. */
import os from 'node:os';
import type { Summary } from './statistics.ts';
import { answerTokens, budget, images, methodQuestion, type MethodRow, type MethodTimings } from './token-methods.ts';

export const methodsHeading = '## Token methods';

/** Full prefill over MustDrop's, as the project asks for. */
const aim = 2.5;

const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
const share = (value: number): string => `${(value * 100).toFixed(value < 0.1 ? 1 : 0)} %`;
const times = (value: number): string => `${value.toFixed(2)} ×`;
const spread = ({ median, least, most }: Summary, format: (value: number) => string): string =>
  `${format(median)} (${format(least)} – ${format(most)})`;

export function methodsSection({ rows, rounds }: MethodTimings, date: string): string {
  const [full] = rows;
  if (!full) throw new Error('No method was measured.');
  const line = costLine(rows);
  return `${methodsHeading}

Written by \`npm run bench\` on ${date}; load average at the end ${os.loadavg()[0]!.toFixed(1)} on ${os.cpus().length} logical processors${os.loadavg()[0]! > os.cpus().length ? ': others used the machine' : ''}. A budget of ${budget} visual tokens,
${images.map(image => `\`${image}\``).join(', ')}, "${methodQuestion}", ${answerTokens} tokens, untraced. Every method runs once on every image in each of ${rounds} rounds, by turns in one process, and is divided by no
pruning on the same image in the same round: median (least – most) of ${full.prefillRatio.count}. MustDrop's thresholds were solved once for each image before; the solved ones are timed.

| method | visual tokens in, out | prefill | prefill, wall clock | prefill, processor time | prefill MACs (F3) | vision | vision MACs | decode step | cache bytes | trace | solving |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
${rows
  .map(row =>
    [
      row.title,
      `${row.entering.toFixed(0)}, ${row.leaving.toFixed(0)}`,
      spread(row.prefill, ms),
      ...(row === full
        ? ['1', '1', '1', '1', '1', '1', '1']
        : [
            spread(row.prefillRatio, times),
            spread(row.processorRatio, times),
            times(row.macsRatio),
            spread(row.visionRatio, times),
            times(row.visionMacsRatio),
            spread(row.stepRatio, times),
            times(row.cacheRatio),
          ]),
      `${(row.traceBytes / 1e6).toFixed(1)} MB`,
      row.solve ? spread(row.solve, ms) : '–',
    ].join(' | '),
  )
  .map(cells => `| ${cells} |`)
  .join('\n')}

Tokens in and out are means over layers (E_in, E_out); each method meets the budget by the count that its publication uses. Processor time is that of all
threads from the beginning of prefill to the first logits: on a shared machine it says more than the clock, which also counts waiting for a processor. Cache bytes are those allocated at the end.

${verdict(rows)}

Where time does not follow MACs:

${[lineWords(full, line), ...rows.slice(1).map(row => `- ${methodWords(row, full, line)}`), ...visionWords(rows, full)].join('\n')}
`;
}

function verdict(rows: readonly MethodRow[]): string {
  return rows
    .filter(({ method }) => ['mustdrop', 'fastv', 'sparsevlm'].includes(method))
    .map(({ method, title, prefillRatio, processorRatio, macsRatio }) => {
      const faster = `${title}'s prefill is ${(1 / prefillRatio.median).toFixed(1)} times as fast as the full model's by the clock, ${(1 / processorRatio.median).toFixed(1)} times by processor time; its MACs alone would make that ${(1 / macsRatio).toFixed(1)}`;
      if (method !== 'mustdrop') return `${faster}.`;
      return `${faster}. The aim of ${aim} times is ${1 / prefillRatio.median >= aim ? 'met' : 'missed'}.`;
    })
    .join(' ');
}

/** Milliseconds of processor time of a layer that reads no attention and shortens nothing, from its MACs. */
interface CostLine {
  /** Per MAC of the longest sequence, and of the shortest. */
  readonly longest: number;
  readonly shortest: number;
  /** Where the straight line through these two meets no MACs. */
  readonly fixed: number;
  at(macs: number): number;
}

function costLine(rows: readonly MethodRow[]): CostLine {
  // The first layer's time includes making the sequence.
  const plain = rows.flatMap(({ layers }) => layers.slice(1).filter(layer => !layer.attentionRead && !layer.shortened));
  const point = (macs: number): { macs: number; time: number } => {
    const same = plain.filter(layer => layer.macs === macs);
    return { macs, time: same.reduce((sum, layer) => sum + layer.processor, 0) / same.length };
  };
  const most = point(Math.max(...plain.map(layer => layer.macs)));
  const fewest = point(Math.min(...plain.map(layer => layer.macs)));
  const slope = (most.time - fewest.time) / (most.macs - fewest.macs);
  const at = (macs: number): number => fewest.time + slope * (macs - fewest.macs);
  return { longest: most.time / most.macs, shortest: fewest.time / fewest.macs, fixed: at(0), at };
}

function lineWords(full: MethodRow, line: CostLine): string {
  const perGiga = (value: number): string => ms(value * 1e9);
  const [first, ...others] = full.layers;
  const start = first!.processor - others.reduce((sum, layer) => sum + layer.processor, 0) / others.length;
  const fixed =
    line.fixed > 0
      ? `${ms(line.fixed)} a layer do not depend on its tokens, ${ms(line.fixed * full.layers.length)} in all ${full.layers.length}`
      : 'nothing is left at no tokens';
  return `- All in processor time, medians. A layer that only runs costs ${perGiga(line.longest)} a GMAC at the full length and ${perGiga(line.shortest)} at the shortest: on the line between them, ${fixed}. Of the ${ms(full.processor)} of no pruning, making the sequence takes ${ms(Math.max(0, start))}, the logits ${ms(full.afterLayers)}. What none of these explains was not traced to a cause.`;
}

function methodWords(row: MethodRow, full: MethodRow, line: CostLine): string {
  const measured = row.processor / full.processor;
  const follows = Math.abs(measured / row.macsRatio - 1) < 0.1;
  const direction = follows ? 'about as much as' : measured > row.macsRatio ? 'less than' : 'more than';
  const [first] = row.layers;
  const start = firstActs(row) ? 0 : first!.processor - line.at(first!.macs);
  const ofMacs = row.layers.reduce((sum, { macs }) => sum + line.at(macs) - line.fixed, 0);
  const acting = row.layers.filter(layer => layer.attentionRead || layer.shortened);
  const extra = acting.reduce((sum, layer) => sum + layer.processor - line.at(layer.macs), 0);
  const fixed = line.fixed * row.layers.length;
  const rest = row.processor - ofMacs - fixed - start - row.afterLayers - extra;
  const layers = acting.length === 1 ? 'layer' : `${acting.length} layers`;
  const parts = [
    `${ms(ofMacs)} for its MACs`,
    `layers at no tokens ${ms(fixed)}`,
    ...(firstActs(row) ? [] : [`making the sequence, in the first layer's time, ${ms(start)}`]),
    `the logits ${ms(row.afterLayers)}`,
    ...(acting.length > 0
      ? [
          `in the ${layers} where attention is read or tokens leave, ${ms(extra)} more than the line (${share(extra / row.processor)})`,
        ]
      : []),
  ];
  const unexplained = rest > 0.05 * row.processor ? `; ${ms(rest)} are explained by none of these` : '';
  return `${row.title} saves ${direction} its MACs say: ${share(measured)} of the time for ${share(row.macsRatio)} of the MACs. Its ${ms(row.processor)} hold ${parts.join(', ')}${unexplained}.`;
}

function firstActs({ layers: [first] }: MethodRow): boolean {
  return first !== undefined && (first.attentionRead || first.shortened);
}

function visionWords(rows: readonly MethodRow[], full: MethodRow): string[] {
  const longer = rows.filter(({ visionLayers }) => visionLayers > full.visionLayers).map(({ title }) => title);
  const shorter = rows.filter(({ visionMacsRatio }) => visionMacsRatio < 1);
  return [
    ...(longer.length > 0
      ? [
          `- In the vision tower, ${longer.join(' and ')} ${longer.length === 1 ? 'runs' : 'run'} layer ${full.visionLayers}, too, whose CLS attention decides and whose output nobody reads.`,
        ]
      : []),
    ...shorter.map(
      ({ title, visionRatio, visionMacsRatio }) =>
        `- ${title} has ${share(visionMacsRatio)} of the vision MACs and ${spread(visionRatio, share)} of the vision time${visionRatio.median > 1.1 * visionMacsRatio ? `: merging runs in JavaScript between two sessions, and reads hidden states or keys out of the graph; it was not timed apart` : ''}.`,
    ),
  ];
}
