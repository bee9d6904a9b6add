/** Accuracy against tokens entering, a line per method, as a drawing that is a file of its own in Markdown. */
import { unprunedId } from '../../../trace/evaluation/evaluation.ts';
import { spreadLabels } from '../../../trace/evaluation/label-places.ts';
import { methodSeries } from '../../../trace/evaluation/series.ts';
import type { EvaluationSummary, GroupResult } from '../../../trace/evaluation/summary.ts';
import type { DrawnPicture } from '../document.ts';
import { type Markup, markup } from '../markup.ts';
import { count } from '../numbers.ts';

const [width, height] = [880, 400];
const plot = { left: 46, right: width - 12, top: 12, bottom: height - 42 };
/** Light theme, as in the panel; marker and label carry the identity as well. */
const colours = ['#2f6db5', '#b35c00', '#2f7d2a', '#c22f33', '#8a4c8a', '#18807a', '#8a7000', '#7a4f38'];
/** Around the origin. */
const markers = [
  'M0-4.5a4.5 4.5 0 1 0 .01 0z',
  'M-4-4h8v8h-8z',
  'M0-5.5 5 4H-5z',
  'M0-6 5 0 0 6-5 0z',
  'M0 5.5 5-4H-5z',
  'M-1.8-5h3.6v3.2H5v3.6H1.8V5h-3.6V1.8H-5v-3.6h3.2z',
  'M-5-3-3-5 0-2 3-5 5-3 2 0 5 3 3 5 0 2-3 5-5 3-2 0z',
  'M-6-2.5H6v5H-6z',
];
/** Points of methods at the same place stand this far apart. */
const step = 6;
const labelWidth = 7;

interface Point {
  readonly x: number;
  readonly y: number;
  readonly low: number;
  readonly high: number;
}

interface Line {
  readonly title: string;
  readonly index: number;
  readonly points: readonly Point[];
}

export function accuracyChart(summary: EvaluationSummary, group: string, alt: string): DrawnPicture {
  const answered = methodSeries(summary)
    .map(({ conditions }, index) => ({
      title: conditions[0]!.condition.title,
      index,
      results: conditions.flatMap(({ groups }) => (groups[group]!.answered > 0 ? [groups[group]!] : [])),
    }))
    .filter(({ results }) => results.length > 0);
  const most = 1.08 * Math.max(1, ...answered.flatMap(({ results }) => results.map(({ entering }) => entering)));
  const gutter = 24 + labelWidth * Math.max(0, ...answered.map(({ title }) => title.length));
  const least = Math.min(...answered.flatMap(({ results }) => results.map(({ entering }) => entering)));
  const share = answered.length > 0 ? least / most : 0;
  const start = Math.max(plot.left, (plot.left + gutter - share * plot.right) / (1 - share));
  const x = (tokens: number): number => start + (tokens / most) * (plot.right - start);
  const lines = answered.map(({ title, index, results }, place): Line => {
    const shift = (place - (answered.length - 1) / 2) * step;
    const points = [...results].sort((a, b) => a.entering - b.entering);
    return { title, index, points: points.map(result => pointOf(result, x(result.entering) + shift)) };
  });
  const unpruned = summary.conditions.find(({ condition }) => condition.id === unprunedId)?.groups[group];
  return {
    kind: 'drawing',
    name: `accuracy-${group.replace(/[^a-z0-9]+/gi, '-')}`,
    alt,
    svg: markup`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11" fill="#3b3b3b">
      ${axes(x, most)}${unpruned && unpruned.answered > 0 ? [band(unpruned)] : []}${lines.map(drawLine)}${drawLabels(lines)}
    </svg>`,
  };
}

const accuracyY = (share: number): number => plot.bottom - share * (plot.bottom - plot.top);

function pointOf({ accuracy, interval }: GroupResult, x: number): Point {
  return { x, y: accuracyY(accuracy), low: accuracyY(interval[0]), high: accuracyY(interval[1]) };
}

const at = (value: number): string => value.toFixed(1);

function axes(x: (tokens: number) => number, most: number): Markup[] {
  const shares = [0, 0.2, 0.4, 0.6, 0.8, 1].map(
    share =>
      markup`<line x1="${plot.left}" x2="${plot.right}" y1="${at(accuracyY(share))}" y2="${at(accuracyY(share))}" stroke="#e3e3e3" /><text x="${plot.left - 6}" y="${at(accuracyY(share) + 4)}" text-anchor="end">${Math.round(100 * share)} %</text>`,
  );
  const pace = [10, 20, 25, 50, 100, 200, 250, 500, 1000].find(each => most / each <= 9) ?? most / 8;
  const ticks = Array.from({ length: Math.floor(most / pace) + 1 }, (_, index) => index * pace).map(
    tokens =>
      markup`<line x1="${at(x(tokens))}" x2="${at(x(tokens))}" y1="${plot.bottom}" y2="${plot.bottom + 4}" stroke="#8a8a8a" /><text x="${at(x(tokens))}" y="${plot.bottom + 16}" text-anchor="middle">${count(tokens)}</text>`,
  );
  const title = 'visual tokens entering a decoder layer in prefill, mean of layers and questions (E_in)';
  return [
    ...shares,
    ...ticks,
    markup`<text x="${(plot.left + plot.right) / 2}" y="${height - 6}" text-anchor="middle">${title}</text>`,
  ];
}

function band({ accuracy, interval, entering }: GroupResult): Markup {
  const [low, high] = interval.map(accuracyY) as [number, number];
  const y = at(accuracyY(accuracy));
  const words = `No pruning, at ${count(Math.round(entering))}: ${(100 * accuracy).toFixed(1)} %`;
  const place = high - 4 < plot.top + 8 ? low + 13 : high - 4;
  return markup`<rect x="${plot.left}" width="${plot.right - plot.left}" y="${at(high)}" height="${at(low - high)}" fill="#7d8590" opacity="0.18" /><line x1="${plot.left}" x2="${plot.right}" y1="${y}" y2="${y}" stroke="#3b3b3b" stroke-dasharray="6 3" /><text x="${plot.right - 4}" y="${at(place)}" text-anchor="end">${words}</text>`;
}

function drawLine({ index, points }: Line): Markup {
  const colour = colours[index % colours.length]!;
  const path = points.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${at(x)},${at(y)}`).join('');
  const marks = points.map(
    ({ x, y, low, high }) =>
      markup`<path d="M${at(x)},${at(low)}V${at(high)}M${at(x - 3)},${at(low)}h6M${at(x - 3)},${at(high)}h6" stroke="${colour}" fill="none" /><path d="${markers[index % markers.length]!}" transform="translate(${at(x)},${at(y)})" fill="${colour}" stroke="#ffffff" />`,
  );
  return markup`<path d="${path}" stroke="${colour}" stroke-width="1.5" fill="none" />${marks}`;
}

function drawLabels(lines: readonly Line[]): Markup[] {
  const firsts = lines.map(({ points }) => points[0]!);
  const edge = Math.min(...firsts.map(({ x }) => x)) - 14;
  const places = spreadLabels(
    firsts.map(({ y }) => y),
    15,
    plot.top + 8,
    plot.bottom - 6,
  );
  return lines.map(({ title, index }, i) => {
    const colour = colours[index % colours.length]!;
    const { x, y } = firsts[i]!;
    return markup`<path d="M${at(edge + 2)},${at(places[i]!)}L${at(x - 6)},${at(y)}" stroke="${colour}" stroke-width="0.75" opacity="0.7" fill="none" /><text x="${at(edge)}" y="${at(places[i]! + 4)}" text-anchor="end" font-weight="600" fill="${colour}" stroke="#ffffff" stroke-width="4" paint-order="stroke">${title}</text>`;
  });
}
