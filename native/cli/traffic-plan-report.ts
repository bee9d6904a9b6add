/** What `fovea traffic --plan` prints for people. */
import { recordedMask, maskSentences } from '../../trace/traffic/masks.ts';
import { rowTotal, runLabel, type TrafficWorkload } from '../../trace/traffic/metadata.ts';
import type { Rates } from '../../trace/traffic/planner.ts';
import { mostKeysPerChunk } from '../../trace/traffic/residency.ts';
import type { TextStyle } from './terminal.ts';
import type { ChosenPlan } from './traffic-json.ts';
import { indented, table, workloadLines } from './traffic-report.ts';

export function planReport(
  workload: TrafficWorkload,
  plans: readonly ChosenPlan[],
  rates: Rates,
  style: TextStyle,
): string {
  const head = ['predicted', 'bytes sent, rank 0', 'time', 'exposed', 'stall', 'bound by', 'memory, fullest rank'];
  const masked = plans.some(({ plan }) => plan.mask);
  const onTorch = plans.some(each => each.onTorch);
  if (masked) head.push('computed', 'busiest rank');
  if (onTorch) head.push('torch ranks: time', 'computed');
  const cells = plans.map(({ choice, plan, onTorch: torch }) => {
    const { total, exposed, stall, bound, peakMemory } = plan.prediction;
    const elsewhere = torch ?? plan;
    return [
      runLabel({ algorithm: plan.algorithm, wire: choice }),
      plan.bytesSentPerRank[0]!.toLocaleString('en'),
      milliseconds(total),
      milliseconds(Math.max(...exposed)),
      milliseconds(Math.max(...stall)),
      bound,
      `${(peakMemory / 1e6).toFixed(1)} MB`,
      ...(plan.mask ? [percent(plan.mask.computedShare), `${plan.mask.imbalance.toFixed(2)} × mean`] : []),
      ...(onTorch && elsewhere.mask
        ? [milliseconds(elsewhere.prediction.total), percent(elsewhere.mask.computedShare)]
        : []),
    ];
  });
  const rate = `${rates.flopsPerSecond / 1e12} TFLOP/s a rank, ${rates.bandwidth / 1e9} GB/s and ${rates.latency * 1e6} µs a link`;
  return indented([
    ...workloadLines(workload, style),
    ...maskLines(workload, plans, onTorch),
    `assumed  ${rate}; nothing was run`,
    '',
    ...table(head, cells, style),
    ...plans.flatMap(each => blockLines(each, rates, style)),
  ]);
}

function maskLines(workload: TrafficWorkload, [first]: readonly ChosenPlan[], onTorch: boolean): string[] {
  if (!first?.plan.mask) return [];
  const mask = recordedMask(workload);
  const frames = workload.frames?.length ?? workload.maskFrames;
  const amount =
    frames === undefined
      ? `${percent(workload.maskShare ?? 0)} of the keys`
      : frames === 1
        ? 'one frame'
        : `${frames} frames`;
  const { visibleShare, computedShare } = first.plan.mask;
  const lines = [
    `mask     ${mask?.name ?? workload.mask}, ${amount}: ${maskSentences[workload.mask] ?? ''} What is sent stays the same.`,
  ];
  const visible = `pairs    ${percent(visibleShare)} of all pairs of query and key are visible`;
  if (visibleShare === computedShare && !onTorch) return [...lines, `${visible}, and no others are computed.`];
  const torch = onTorch ? 'whole shards' : 'whole shards, which comes to the same here';
  return [
    ...lines,
    `${visible}. More are computed: for all rows of a block, keys that any of`,
    `         them sees, in chunks of up to ${mostKeysPerChunk} (ranks under torch: ${torch}).`,
  ];
}

/** A line of so many characters a rank is read at a glance. */
const mostDrawnRanks = 32;
const bars = '▁▂▃▄▅▆▇█';

/** Who computes how long in which round. */
function blockLines({ choice, plan }: ChosenPlan, { flopsPerSecond }: Rates, style: TextStyle): string[] {
  const flops = plan.mask?.blocks.flops ?? [];
  if (flops.length < 2 || flops.length > mostDrawnRanks) return [];
  const perRank = flops.map(rowTotal);
  const longest = Math.max(0, ...flops.flat());
  const alike = flops[0]?.length === 1 && Math.min(...perRank) === longest;
  if (longest === 0 || alike) return [];
  const bar = (value: number): string =>
    value === 0 ? '·' : bars[Math.min(bars.length - 1, Math.ceil((value / longest) * bars.length) - 1)]!;
  const took = (work: number): string => milliseconds(work / flopsPerSecond);
  const label = runLabel({ algorithm: plan.algorithm, wire: choice });
  return [
    '',
    style.dim(`${label}: compute of each rank, round by round; █ ${took(longest)}, · nothing to see, skipped`),
    ...flops.map((row, rank) => `${`rank ${rank}`.padEnd(8)} ${row.map(bar).join('')}  ${took(perRank[rank]!)}`),
  ];
}

function milliseconds(seconds: number): string {
  return `${(seconds * 1000).toFixed(3)} ms`;
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))}%`;
}
