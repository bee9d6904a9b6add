/** Bars per decoder layer, one for each run, as a drawing that is a file of its own in Markdown. */
import type { DrawnPicture } from '../document.ts';
import { markup } from '../markup.ts';
import { count } from '../numbers.ts';

export interface LayerSeries {
  /** Printed under its colour: what the bars of this run are called. */
  readonly letter: string;
  /** [layers], not negative */
  readonly values: readonly number[];
}

const height = 96;
const [left, top, width] = [44, 34, 828];
/** Light theme: run-a, run-b, and those after them; the letter carries the identity. */
const fills = ['#a23b78', '#00704f', '#2f6db5', '#b35c00', '#8a7000', '#18807a', '#7a4f38', '#8a4c8a'];

export function layerChart(name: string, title: string, series: readonly LayerSeries[]): DrawnPicture {
  const layers = Math.max(0, ...series.map(({ values }) => values.length));
  const most = Math.max(1, ...series.flatMap(({ values }) => values));
  const pitch = width / Math.max(1, layers);
  const bar = Math.max(1, Math.min(26, (pitch - 4) / series.length - 1));
  const labelEvery = Math.max(1, Math.ceil(26 / pitch));
  const bars = series.flatMap(({ values }, index) =>
    values.map((value, layer) => {
      const size = (value / most) * height;
      const x = left + layer * pitch + index * (bar + 1);
      const number =
        bar >= 17
          ? markup`<text x="${(x + bar / 2).toFixed(1)}" y="${(top + height - size - 3).toFixed(1)}" text-anchor="middle">${count(Math.round(value))}</text>`
          : markup``;
      return markup`<rect x="${x.toFixed(1)}" y="${(top + height - size).toFixed(1)}" width="${bar.toFixed(1)}" height="${size.toFixed(1)}" fill="${fills[index % fills.length]!}" />${number}`;
    }),
  );
  const ticks = Array.from({ length: layers }, (_, layer) =>
    layer % labelEvery === 0
      ? markup`<text x="${(left + layer * pitch).toFixed(1)}" y="${top + height + 14}">D${layer}</text>`
      : markup``,
  );
  const key = series.map(
    ({ letter }, index) =>
      markup`<rect x="${left + index * 46}" y="2" width="9" height="9" fill="${fills[index % fills.length]!}" /><text x="${left + index * 46 + 13}" y="10">${letter}</text>`,
  );
  return {
    kind: 'drawing',
    name,
    alt: title,
    svg: markup`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 880 ${top + height + 20}" font-family="sans-serif" font-size="11" fill="#3b3b3b">
      <line x1="${left}" x2="${left + width}" y1="${top + height + 0.5}" y2="${top + height + 0.5}" stroke="#8a8a8a" />
      <text x="${left - 6}" y="${top + height}" text-anchor="end">0</text>
      <text x="${left - 6}" y="${top + 9}" text-anchor="end">${count(Math.round(most))}</text>
      ${key}${bars}${ticks}
    </svg>`,
  };
}
