/** Short or long queries and keys: where LV-XAttn is faster than ring attention, and where this workload lies (figure 7). */
import { interpolateRgb, scaleLog } from 'd3';
import type { QuadrantCell } from '../../trace/traffic/quadrants.ts';
import { type TableData, tableColumn } from '../charts.ts';
import type { Theme } from '../colour/theme.ts';
import { element, setText } from '../element.ts';
import { svgElement } from '../svg.ts';
import { type QuadrantData } from './quadrant-data.ts';
import { rate, seconds } from './quantity.ts';
import { label } from './rank-rows.ts';

const plot = { left: 76, right: 12, top: 8, bottom: 40, height: 288 };
/** Of LV-XAttn, of neither, and of the ring. */
const colours = {
  dark: { lv: '#35c4b0', equal: '#3a3d41', ring: '#f09a4a' },
  light: { lv: '#00857a', equal: '#eef0f2', ring: '#c45f00' },
} as const;
/** Closer than this counts as equal. */
const equal = 1.1;
/** Of a quadrant's sizes, to speak for it. */
const mostShare = 0.6;
const legendSteps = 15;

export class QuadrantChart {
  readonly body = svgElement('svg', { tabindex: 0, role: 'img', 'data-testid': 'quadrants' });
  private readonly note = element('small');
  private readonly legend = element('p', { class: 'quadrant-legend', 'data-testid': 'quadrant-legend' });
  private readonly pointed = element('p', { class: 'quadrant-pointed', 'data-testid': 'quadrant-pointed' });
  readonly element = element(
    'section',
    { class: 'detail quadrants' },
    element('h2', {}, 'LV-XAttn or ring attention?'),
    this.note,
    this.legend,
    this.body,
    this.pointed,
  );
  private shown: QuadrantData | undefined;
  private readonly hovered = svgElement('rect', { class: 'quadrant-hovered', hidden: '' });
  private at: ((x: number, y: number) => { row: number; column: number } | undefined) | undefined;
  private place: ((row: number, column: number) => Record<string, number>) | undefined;

  constructor() {
    this.body.addEventListener('pointermove', event => {
      const cell = this.at?.(event.offsetX, event.offsetY);
      const found = cell && this.shown?.cells[cell.row]?.[cell.column];
      if (!cell || !found || !this.place) {
        this.leave();
        return;
      }
      for (const [name, value] of Object.entries(this.place(cell.row, cell.column)))
        this.hovered.setAttribute(name, String(value));
      this.hovered.removeAttribute('hidden');
      setText(this.pointed, cellWords(found));
    });
    this.body.addEventListener('pointerleave', () => {
      this.leave();
    });
  }

  /** @param data undefined hides the chart */
  draw(data: QuadrantData | undefined, width: number, { scheme }: Theme): void {
    this.element.hidden = data === undefined;
    this.shown = data;
    if (!data) return;
    const { queries, keys, cells, thresholds, here } = data;
    const height = plot.top + plot.height + plot.bottom;
    for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` }))
      this.body.setAttribute(name, String(value));
    setText(this.note, this.words(data));
    const [edgesX, edgesY] = [edges(queries), edges(keys)];
    const x = scaleLog([edgesX[0]!, edgesX.at(-1)!], [plot.left, width - plot.right]);
    const y = scaleLog([edgesY[0]!, edgesY.at(-1)!], [plot.top + plot.height, plot.top]);
    const fill = speedupFill(cells.flat(), colours[scheme]);
    this.legend.replaceChildren(...legend(cells.flat(), fill));
    const rectangle = (row: number, column: number): Record<string, number> => ({
      x: x(edgesX[column]!),
      y: y(edgesY[row + 1]!),
      width: x(edgesX[column + 1]!) - x(edgesX[column]!) + 0.5,
      height: y(edgesY[row]!) - y(edgesY[row + 1]!) + 0.5,
    });
    this.place = rectangle;
    this.at = (left, top) => {
      const column = indexIn(edgesX, x.invert(left));
      const row = indexIn(edgesY, y.invert(top));
      return column === undefined || row === undefined ? undefined : { row, column };
    };
    const [thresholdX, thresholdY] = [
      inside(x(thresholds.queries), plot.left, width - plot.right),
      inside(y(thresholds.keys), plot.top, plot.top + plot.height),
    ];
    this.hovered.setAttribute('hidden', '');
    this.body.replaceChildren(
      ...cells.flatMap((row, at) =>
        row.map((cell, column) => svgElement('rect', { ...rectangle(at, column), fill: fill(cell.speedup) })),
      ),
      ...[thresholdX].flatMap(at =>
        at === undefined
          ? []
          : [svgElement('line', { class: 'threshold', x1: at, x2: at, y1: plot.top, y2: plot.top + plot.height })],
      ),
      ...[thresholdY].flatMap(at =>
        at === undefined
          ? []
          : [svgElement('line', { class: 'threshold', x1: plot.left, x2: width - plot.right, y1: at, y2: at })],
      ),
      ...quadrantLabels(data, x(thresholds.queries), y(thresholds.keys), width),
      ...axisLabels(queries, keys, x, y, width),
      this.hovered,
      ...marker(x(here.queries), y(here.keys)),
    );
    this.leave();
    this.body.setAttribute('aria-label', `${this.words(data)}. ${hereWords(data)}.`);
  }

  data(): TableData {
    const { cells, pass, ring } = this.shown!;
    return {
      caption: `Predicted times of the ${pass} pass by sizes, and how many times longer ${ring} takes than LV-XAttn`,
      columns: ['queries', 'keys', 'LV-XAttn', ring, 'ratio'].map(title => tableColumn(title)),
      rows: cells
        .flat()
        .map(cell => [
          String(cell.queries),
          String(cell.keys),
          seconds(cell.lvXattn),
          seconds(cell.ring),
          `${cell.speedup.toPrecision(3)} ×`,
        ]),
    };
  }

  private leave(): void {
    this.hovered.setAttribute('hidden', '');
    if (this.shown) setText(this.pointed, hereWords(this.shown));
  }

  private words({ ranks, pass, ring, mask, known: { rates, compute, link } }: QuadrantData): string {
    const attention = `${compute} ${flopRate(rates.flopsPerSecond)} of a rank`;
    return `predicted ${pass} pass on ${ranks} ranks, against ${ring.toLowerCase()}; ${attention}, ${link} ${rate(rates.bandwidth)} of a link${maskWords[mask]}`;
  }
}

const maskWords: Readonly<Record<QuadrantData['mask'], string>> = {
  none: '',
  staircase: '; queries see frames up to their own place (dashed lines: as if they saw all)',
  'own-frame': '; queries see their own frame (dashed lines: as if they saw all)',
  padding: '; the last keys are padding (dashed lines: as if they were seen)',
  unknown: '; without the mask of these runs, since their trace does not say how much it hides',
};

/** In each quadrant who is faster in most of it, and by how much at most; and what the lines mean. */
function quadrantLabels(
  { cells, thresholds, mask }: QuadrantData,
  lineX: number,
  lineY: number,
  width: number,
): SVGElement[] {
  const [right, bottom] = [width - plot.right, plot.top + plot.height];
  const splitX = Math.max(plot.left, Math.min(right, lineX));
  const splitY = Math.max(plot.top, Math.min(bottom, lineY));
  return [true, false].flatMap(longKeys =>
    [false, true].flatMap(longQueries => {
      const own = cells
        .flat()
        .filter(cell => cell.keys >= thresholds.keys === longKeys && cell.queries > thresholds.queries === longQueries);
      const [left, end] = longQueries ? [splitX, right] : [plot.left, splitX];
      const [top, low] = longKeys ? [plot.top, splitY] : [splitY, bottom];
      const said = verdict(own);
      if (said === undefined || end - left < 96 || low - top < 40) return [];
      const [middle, line] = [(left + end) / 2, (top + low) / 2];
      return [
        label(middle, line - 2, said, 'quadrant-verdict', 'middle'),
        // Why is worked out for whole blocks.
        ...(end - left < 150 || (mask !== 'none' && mask !== 'unknown')
          ? []
          : [label(middle, line + 14, reason(longKeys, longQueries), 'quadrant-why', 'middle')]),
      ];
    }),
  );
}

function reason(longKeys: boolean, longQueries: boolean): string {
  if (longKeys) return longQueries ? 'both compute' : 'the ring waits for links';
  return longQueries ? 'LV-XAttn waits for links' : 'both wait for links';
}

/** What holds for most of these sizes; undefined where nothing does. */
function verdict(cells: readonly QuadrantCell[]): string | undefined {
  const speedups = cells.map(({ speedup }) => speedup);
  const most = (holds: (speedup: number) => boolean): boolean =>
    cells.length > 0 && speedups.filter(holds).length >= mostShare * cells.length;
  if (most(speedup => speedup < equal && speedup > 1 / equal)) return 'equal';
  if (most(speedup => speedup >= equal)) return `LV-XAttn, up to ${times(Math.max(...speedups))}`;
  return most(speedup => speedup <= 1 / equal) ? `ring, up to ${times(1 / Math.min(...speedups))}` : undefined;
}

/** 12 TFLOP/s, 1.2 GFLOP/s */
function flopRate(value: number): string {
  const [size, name] = value >= 1e12 ? [1e12, 'T'] : value >= 1e9 ? [1e9, 'G'] : ([1e6, 'M'] as const);
  return `${Number((value / size).toPrecision(2))} ${name}FLOP/s`;
}

const times = (value: number): string => `${value >= 9.95 ? value.toFixed(0) : value.toFixed(1)} ×`;

function cellWords({ queries, keys, lvXattn, ring, speedup }: QuadrantCell): string {
  const who =
    speedup >= equal
      ? `LV-XAttn ${times(speedup)} faster`
      : speedup <= 1 / equal
        ? `ring ${times(1 / speedup)} faster`
        : 'about equal';
  return `${queries} queries, ${keys} keys: ${who} (LV-XAttn ${seconds(lvXattn)}, ring ${seconds(ring)})`;
}

function hereWords({ here, measured }: QuadrantData): string {
  const ran = measured === undefined ? '' : `; as they ran, the ring took ${measured.toPrecision(3)} × the time`;
  return `◆ this workload, ${cellWords(here)}${ran}`;
}

/** Logarithmic in the ratio, the same to both sides, grey where neither is faster. */
function speedupFill(
  cells: readonly QuadrantCell[],
  { lv, equal: middle, ring }: { readonly lv: string; readonly equal: string; readonly ring: string },
): (speedup: number) => string {
  const most = Math.log2(largest(cells));
  const [towardsLv, towardsRing] = [interpolateRgb(middle, lv), interpolateRgb(middle, ring)];
  return speedup => {
    const share = Math.min(1, Math.abs(Math.log2(speedup)) / most);
    return (speedup >= 1 ? towardsLv : towardsRing)(share);
  };
}

function legend(cells: readonly QuadrantCell[], fill: (speedup: number) => string): Node[] {
  const most = largest(cells);
  const size = { width: legendSteps * 9, height: 10, 'aria-hidden': 'true' };
  const steps = Array.from({ length: legendSteps }, (_, step) => most ** ((2 * step) / (legendSteps - 1) - 1));
  const ramp = svgElement(
    'svg',
    size,
    ...steps.map((speedup, step) => svgElement('rect', { x: step * 9, width: 9.5, height: 10, fill: fill(speedup) })),
  );
  const word = (text: string): HTMLElement => element('span', {}, text);
  return [word(`ring faster, ${times(most)}`), ramp, word(`LV-XAttn faster, ${times(most)}; grey: equal`)];
}

/** To either side. */
const largest = (cells: readonly QuadrantCell[]): number =>
  Math.max(2, ...cells.map(({ speedup }) => Math.max(speedup, 1 / speedup)));

/** Half way between the sizes on the logarithmic axis, and as far beyond the outer ones. */
function edges(sizes: readonly number[]): number[] {
  const between = sizes.slice(1).map((size, index) => Math.sqrt(size * sizes[index]!));
  const [first, last] = [sizes[0]!, sizes.at(-1)!];
  return [first ** 2 / (between[0] ?? first / 2), ...between, last ** 2 / (between.at(-1) ?? last / 2)];
}

function indexIn(edgesOf: readonly number[], value: number): number | undefined {
  const index = edgesOf.findIndex(edge => edge > value) - 1;
  return index >= 0 ? index : undefined;
}

const inside = (at: number, low: number, high: number): number | undefined => (at > low && at < high ? at : undefined);

function axisLabels(
  queries: readonly number[],
  keys: readonly number[],
  x: (value: number) => number,
  y: (value: number) => number,
  width: number,
): SVGElement[] {
  const bottom = plot.top + plot.height;
  const every = Math.max(1, Math.ceil(queries.length / Math.max(2, Math.floor((width - plot.left) / 84))));
  return [
    ...queries
      .filter((_, index) => index % every === 0)
      .map(value => label(x(value), bottom + 15, short(value), 'dim', 'middle')),
    ...keys
      .filter((_, index) => index % 4 === 0)
      .map(value => label(plot.left - 8, y(value) + 4, short(value), 'dim', 'end')),
    label((plot.left + width - plot.right) / 2, bottom + 33, 'queries (text tokens) →', 'dim', 'middle'),
    svgElement(
      'text',
      {
        class: 'dim',
        transform: `translate(14 ${plot.top + plot.height / 2}) rotate(-90)`,
        'text-anchor': 'middle',
      },
      'keys (visual tokens) →',
    ),
  ];
}

/** 1.2K, 38M: K = 1024, as the paper counts tokens. */
function short(value: number): string {
  const units = ['', 'K', 'M', 'G'];
  let [rest, unit] = [value, 0];
  while (rest >= 1024 && unit < units.length - 1) [rest, unit] = [rest / 1024, unit + 1];
  return `${rest >= 9.95 || unit === 0 ? rest.toFixed(0) : rest.toFixed(1)}${units[unit]!}`;
}

function marker(x: number, y: number): SVGElement[] {
  const diamond = (size: number): string => `M${x},${y - size}L${x + size},${y}L${x},${y + size}L${x - size},${y}Z`;
  return [
    svgElement('path', { class: 'here-halo', d: diamond(9) }),
    svgElement('path', { class: 'here', d: diamond(6) }),
  ];
}
