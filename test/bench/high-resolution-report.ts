/** The part of docs/benchmarks.md about high resolution. */
import os from 'node:os';
import { type HighResolutionTimings, highResolutionSample } from './high-resolution.ts';
import type { Summary } from './statistics.ts';

export const highResolutionHeading = '## High resolution';

const time = ({ median, least, most }: Summary): string => `${round(median)} (${round(least)} – ${round(most)})`;

function round(milliseconds: number): string {
  return milliseconds < 10 ? milliseconds.toFixed(1) : milliseconds.toFixed(0);
}

export function highResolutionSection(timings: HighResolutionTimings, date: string): string {
  const { rows, traceBytes, steps, stepRead, bytesAtTwentySteps } = timings;
  const giga = (macs: number): string => (macs / 1e9).toFixed(2);
  const mega = (macs: number): string => (macs / 1e6).toFixed(0);
  return `${highResolutionHeading}

Written by \`npm run bench:resolution\` on ${date}; load average at the end ${os.loadavg()[0]!.toFixed(1)} on ${os.cpus().length} logical processors. Run: \`${highResolutionSample.image}\`,
"${highResolutionSample.question}", at most ${highResolutionSample.longest} tokens, untraced, all by turns in one process, ${rows[0]!.prefill.count} rounds; median (least – most) in ms.
Multiply-accumulates by formula F3; prefill of FlexAttention includes keys and values of all high-resolution tokens, projected once.

| what | vision ms | prefill ms | step ms | vision GMAC | prefill GMAC | step MMAC | answer |
| --- | --- | --- | --- | --- | --- | --- | --- |
${rows
  .map(
    ({ title, vision, prefill, step, macs, answer }) =>
      `| ${title} | ${time(vision)} | ${time(prefill)} | ${time(step)} | ${giga(macs.vision)} | ${giga(macs.prefill)} | ${mega(macs.step)} | ${answer.replaceAll('|', ' ')} |`,
  )
  .join('\n')}

LLaVA-HD's answers come from weights that were not trained for it; its costs are what its sequence costs. A traced FlexAttention run of ${steps} steps is
${(traceBytes / 1e6).toFixed(1)} MB on disk; with 20 steps its selections would make that ${(bytesAtTwentySteps / 1e6).toFixed(1)} MB (aim: under 60 MB). Reading everything of one
step, all layers, takes ${time(stepRead)} ms (aim: stepping within 50 ms).
`;
}
