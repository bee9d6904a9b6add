/** What the links carried over time, against what they could. */
import { scaleLinear } from 'd3';
import { type TableData, tableColumn } from '../charts.ts';
import { element } from '../element.ts';
import { svgElement } from '../svg.ts';
import { rate, time } from './quantity.ts';
import { label, rankClass } from './rank-rows.ts';
import type { RunTraffic } from './run-traffic.ts';
import type { Focus } from './traffic-state.ts';

const plot = { left: 72, right: 16, height: 64, top: 20, gap: 30 };
const bins = 120;

/** [bins], bytes per second that leave a rank, mean of each bin; of all ranks' mean without `rank` */
function sendRate({ ledger, ranks }: RunTraffic, end: number, rank?: number): number[] {
  const width = end / bins;
  const carried = Array.from({ length: bins }, () => 0);
  for (const { source, bytes, started, ended } of ledger.transfers) {
    if ((rank !== undefined && source !== rank) || !Number.isFinite(ended)) continue;
    const [first, last] = [Math.floor(started / width), Math.floor(ended / width)];
    for (let bin = Math.max(0, first); bin <= Math.min(bins - 1, last); bin++) {
      const overlap = Math.min(ended, (bin + 1) * width) - Math.max(started, bin * width);
      carried[bin]! += ended > started ? (bytes * overlap) / (ended - started) : bytes;
    }
  }
  return carried.map(sum => sum / (width / 1e9) / (rank === undefined ? ranks : 1));
}

export class LinkBandwidth {
  readonly body = svgElement('svg', { tabindex: 0, role: 'img', 'data-testid': 'link-bandwidth' });
  private readonly note = element('small');
  readonly element = element(
    'section',
    { class: 'detail bandwidth' },
    element('h2', {}, 'Link bandwidth over time'),
    this.note,
    this.body,
  );
  private shown: { readonly runs: readonly RunTraffic[]; readonly rank: number } | undefined;

  draw(runs: readonly RunTraffic[], { rank }: Focus, width: number, shared: boolean): void {
    this.shown = { runs, rank };
    const longest = Math.max(1, ...runs.map(({ end }) => end));
    const height = runs.length * (plot.top + plot.height + plot.gap);
    for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` }))
      this.body.setAttribute(name, String(value));
    this.note.textContent = `sent by rank ${rank} (line, its colour) and by a rank on average (area), mean of each ${time(longest / bins)}${runs.some(({ run }) => run.links.simulated) ? '; links and their peak are simulated' : ''}`;
    const words: string[] = [];
    this.body.replaceChildren(
      ...runs.flatMap((run, index) => {
        const y0 = index * (plot.top + plot.height + plot.gap) + plot.top;
        const end = shared ? longest : Math.max(1, run.end);
        const [own, all] = [sendRate(run, end, rank), sendRate(run, end)];
        const peak = run.run.links.bandwidth;
        const top = Math.max(1, peak ?? 0, ...own, ...all);
        const x = scaleLinear([0, bins], [plot.left, width - plot.right]);
        const y = scaleLinear([0, top], [y0 + plot.height, y0]);
        const steps = (values: readonly number[]): string =>
          values.map((value, bin) => `${bin === 0 ? 'M' : 'L'}${x(bin)},${y(value)}H${x(bin + 1)}`).join('');
        const most = Math.max(...own);
        words.push(`${run.title}: at most ${rate(most)}${peak === null ? '' : ` of ${rate(peak)}`}`);
        return [
          label(plot.left, y0 - 6, run.title, 'strong'),
          svgElement('path', { class: 'mean-rate', d: `${steps(all)}V${y(0)}H${x(0)}Z` }),
          svgElement('path', { class: `own-rate ${rankClass(rank)}`, d: steps(own) }),
          svgElement('line', { class: 'axis-tick', x1: plot.left, x2: width - plot.right, y1: y(0), y2: y(0) }),
          label(plot.left - 6, y(0) + 4, '0', 'dim', 'end'),
          ...(peak === null
            ? [
                label(width - plot.right, y0 - 6, 'the links’ peak is not known', 'dim', 'end'),
                label(plot.left - 6, y(top) + 8, rate(top), 'dim', 'end'),
              ]
            : [
                svgElement('line', { class: 'peak', x1: plot.left, x2: width - plot.right, y1: y(peak), y2: y(peak) }),
                label(width - plot.right, y0 - 6, `peak ${rate(peak)}`, 'dim', 'end'),
                label(plot.left - 6, y(peak) + 8, rate(peak), 'dim', 'end'),
              ]),
          ...[0, 0.5, 1].map(share =>
            label(
              x(share * bins),
              y(0) + 14,
              share === 0 ? '0' : time(share * end),
              'dim',
              share === 1 ? 'end' : share === 0 ? 'start' : 'middle',
            ),
          ),
        ];
      }),
    );
    this.body.setAttribute('aria-label', `Bytes per second that rank ${rank} sends over time. ${words.join('; ')}.`);
  }

  data(): TableData {
    const { runs, rank } = this.shown!;
    const longest = Math.max(1, ...runs.map(({ end }) => end));
    const columns = runs.map(run => sendRate(run, longest, rank));
    return {
      caption: `Bytes per second that rank ${rank} sends, by time`,
      columns: [tableColumn('from'), ...runs.map(({ title }) => tableColumn(title))],
      rows: Array.from({ length: bins }, (_, bin) => bin)
        .filter(bin => columns.some(values => values[bin]! > 0))
        .map(bin => [time((bin * longest) / bins), ...columns.map(values => rate(values[bin]!))]),
    };
  }
}
