/** docs/benchmarks.md: what was measured, where, and what we aim for. */
import os from 'node:os';
import type { ColdStart } from './command-line.ts';
import type { PanelTimings } from './panel-timings.ts';
import { quantile, summarize, type Summary } from './statistics.ts';
import type { WarmRuns } from './warm-runs.ts';

export interface Measurements {
  readonly cold: readonly ColdStart[];
  readonly warm: WarmRuns;
  readonly panels: readonly PanelTimings[];
  readonly date: string;
}

type Format = (value: number) => string;
const milliseconds: Format = value => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
const megabytes: Format = value => `${(value / 1e6).toFixed(1)} MB`;
const ratio: Format = value => `${value.toFixed(2)} ×`;

function row(what: string, { median, least, most, count }: Summary, target: string, format: Format): string {
  return `| ${what} | ${format(median)} | ${format(least)} – ${format(most)} | ${count} | ${target} |`;
}

export function benchmarkPage({ cold, warm, panels, date }: Measurements): string {
  const total = summarize(warm.traced.map(({ total }) => total));
  const stage = (name: 'vision' | 'prefill' | 'decode'): Summary =>
    summarize(warm.traced.map(timings => timings[name]));
  const perToken = summarize(warm.traced.map(({ decode }) => decode / (warm.answerTokens - 1)));
  const hovers = panels.map(({ hovers }) => quantile(hovers, 0.95));
  const cpu = os.cpus()[0]?.model ?? 'unknown processor';
  return `# Benchmarks

Written by \`npm run bench\` on ${date}. Medians; spread is least to most. No test depends on any of these numbers.

Machine: ${cpu}, ${os.cpus().length} logical processors, ${(os.totalmem() / 2 ** 30).toFixed(0)} GiB memory, ${os.type()} ${os.release()}, Node ${process.versions.node}.
Load average at the end: ${os.loadavg()[0]!.toFixed(1)}; well above ${os.cpus().length} means that others used the machine, and that all times are too long.
Engine: ${warm.engine}. Model: the bundled fovea-tiny. Run: \`scene-04.png\`, "Describe this picture."; warm runs generate ${warm.answerTokens} tokens.

| what | median | spread | runs | aim |
| --- | --- | --- | --- | --- |
${[
  row('fresh process to finished answer and trace', summarize(cold.map(run => run.milliseconds)), '–', milliseconds),
  row('of it opening weights and sessions', summarize(cold.map(run => run.loading)), '–', milliseconds),
  row('peak memory of that process', summarize(cold.map(run => run.peakBytes)), '–', megabytes),
  row('trace on disk', summarize(cold.map(run => run.traceBytes)), '–', megabytes),
  row('analysis with the model in memory, traced', total, '≤ 2.5 s', milliseconds),
  row('of it vision tower', stage('vision'), '–', milliseconds),
  row('of it prefill', stage('prefill'), '–', milliseconds),
  row('of it decode', stage('decode'), '–', milliseconds),
  row('decode, per token', perToken, '–', milliseconds),
  row('traced over untraced, to the trace on disk', summarize(warm.ratios), '≤ 1.15 ×', ratio),
  row('traced over untraced, processor time', summarize(warm.processorRatios), '≤ 1.15 ×', ratio),
  row('activation of the extension', summarize(panels.map(run => run.activation)), '≤ 50 ms', milliseconds),
  row(
    'panel: navigation to first picture with data',
    summarize(panels.map(run => run.firstPaint)),
    '≤ 1 s',
    milliseconds,
  ),
  row('panel: answer to a pointer, 95th percentile', summarize(hovers), '≤ 16 ms (one frame)', milliseconds),
  row('Pruning view: opening it', summarize(panels.map(run => run.pruning.opening)), '–', milliseconds),
  row(
    'Pruning view: answer to a pointer, 95th percentile',
    summarize(panels.map(run => quantile(run.pruning.hovers, 0.95))),
    '≤ 16 ms (one frame)',
    milliseconds,
  ),
  row(
    'Pruning view: next stage, 95th percentile',
    summarize(panels.map(run => quantile(run.pruning.stages, 0.95))),
    '≤ 50 ms',
    milliseconds,
  ),
].join('\n')}

Traced and untraced runs alternate in one process, and end when the trace is on disk; ratios are of neighbours. Of the medians themselves: ${ratio(warm.ratioOfMedians)} by
the clock and ${ratio(warm.processorRatioOfMedians)} of processor time; the middle half of neighbours lies between ${ratio(quantile(warm.ratios, 0.25))} and ${ratio(quantile(warm.ratios, 0.75))} by the clock, between
${ratio(quantile(warm.processorRatios, 0.25))} and ${ratio(quantile(warm.processorRatios, 0.75))} of processor time. Untraced means that no attention leaves a graph, vision layers that the projector does not
read are left out, and no file is written. The panel is measured in a VS Code that runs in headless Chromium without a graphics
card, which draws in software. Hovers: ${panels.reduce((sum, { hovers: all }) => sum + all.length, 0)} in all,
${panels.reduce((sum, { pruning }) => sum + pruning.hovers.length, 0)} more over a MustDrop run in the Pruning view, and ${panels.reduce((sum, { pruning }) => sum + pruning.stages.length, 0)} steps of its stage slider.
`;
}
