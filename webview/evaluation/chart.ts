/** Accuracy against what it costs: a line per method, an interval at every point, no pruning as a line across. */
import { axisBottom, axisLeft, line, max, scaleLinear, select, type Selection } from 'd3';
import { type ChartData, type ChartPoint, type ChartSeries, type Metric, percent } from './chart-data.ts';
import { spreadLabels } from '../../trace/evaluation/label-places.ts';
import { markerPath, seriesClass } from './markers.ts';

const margin = { top: 12, right: 16, bottom: 40, left: 52 };
const height = 420;
/** Points of methods at the same place stand this far apart. */
const step = 6;
const labelDistance = 15;
/** The axis goes on a little beyond the last point. */
const headroom = 1.08;
const markerArea = 64;
/** Of 12 px bold text, about. */
const letterWidth = 7.2;

export interface ChartEvents {
  /** Another point, or none, is pointed at. */
  readonly hovered: () => void;
  /** A condition is kept in sight, or no longer any. */
  readonly locked: (condition: string | undefined) => void;
}

interface Placed {
  readonly point: ChartPoint;
  readonly series: ChartSeries;
  readonly x: number;
  readonly y: number;
  readonly low: number;
  readonly high: number;
}

type Group = Selection<SVGGElement, unknown, null, undefined>;

export class AccuracyChart {
  readonly element: SVGSVGElement;
  private placed: readonly (readonly Placed[])[] = [];
  /** Conditions, which stay the same when the points are drawn anew. */
  private shown: string | undefined;
  private lockedCondition: string | undefined;

  constructor(private readonly events: ChartEvents) {
    this.element = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    this.element.setAttribute('data-testid', 'accuracy-chart');
    this.element.setAttribute('tabindex', '0');
    this.element.setAttribute('role', 'img');
    this.element.setAttribute('height', String(height));
    this.element.addEventListener('keydown', event => {
      this.pressed(event);
    });
    this.element.addEventListener('pointermove', event => {
      this.show(this.nearest(event));
    });
    this.element.addEventListener('pointerleave', () => {
      this.show(undefined);
    });
    this.element.addEventListener('click', event => {
      const condition = conditionOf(this.nearest(event));
      this.lock(condition === this.lockedCondition ? undefined : condition);
    });
  }

  draw(data: ChartData, metric: Metric, width: number, label: string): void {
    const root = select(this.element).attr('width', width).attr('viewBox', `0 0 ${width} ${height}`);
    root.attr('aria-label', label).selectAll('*').remove();
    // No pruning is a band across: its cost, far to the right, would press all others together.
    const points = data.series.flatMap(series => series.points);
    const most = max(points, ({ x }) => x) ?? data.unpruned?.x ?? 1;
    const gutter = labelGutter(data.series);
    const plot = { left: margin.left, right: width - margin.right, top: margin.top, bottom: height - margin.bottom };
    const x = scaleLinear([0, most * headroom], [plot.left, plot.right]);
    // Labels stand left of the first points; where those are too near to the axis, the scale makes room.
    const first = Math.min(...data.series.map(({ points: own }) => own[0]!.x));
    if (data.series.length > 0 && x(first) - plot.left < gutter) {
      const room = Math.min(gutter, (plot.right - plot.left) / 3);
      const share = first / (most * headroom);
      const start = Math.max(plot.left, (plot.left + room - share * plot.right) / (1 - share));
      x.range([start, plot.right]);
    }
    const y = scaleLinear([0, 1], [plot.bottom, plot.top]);
    axes(root.append('g'), { x, y, plot, metric });
    if (data.unpruned) reference(root.append('g'), data.unpruned, metric, y, plot);
    const middle = (data.series.length - 1) / 2;
    this.placed = data.series.map((series, index) =>
      series.points.map(point => {
        const [low, high] = point.result.interval;
        const crowded = points.some(other => other !== point && Math.abs(x(other.x) - x(point.x)) < step);
        const shift = crowded ? (index - middle) * step : 0;
        return { point, series, x: x(point.x) + shift, y: y(point.result.accuracy), low: y(low), high: y(high) };
      }),
    );
    for (const placed of this.placed) drawSeries(root.append('g'), placed);
    drawLabels(root.append('g'), this.placed, plot);
    this.emphasize();
  }

  /** What is pointed at, else what is locked; undefined for neither, or where it has no place. */
  get point(): ChartPoint | undefined {
    return this.placeOf(this.shown ?? this.lockedCondition)?.point;
  }

  /** @param condition undefined unlocks */
  lock(condition: string | undefined): void {
    this.lockedCondition = condition;
    this.events.locked(condition);
    this.emphasize();
  }

  private placeOf(condition: string | undefined): Placed | undefined {
    return this.allPlaced().find(placed => conditionOf(placed) === condition);
  }

  private allPlaced(): Placed[] {
    return this.placed.flat();
  }

  private nearest(event: MouseEvent): Placed | undefined {
    const box = this.element.getBoundingClientRect();
    const distance = ({ x, y }: Placed): number => Math.hypot(x - (event.clientX - box.x), y - (event.clientY - box.y));
    const [best] = this.allPlaced().sort((a, b) => distance(a) - distance(b));
    return best && distance(best) < 24 ? best : undefined;
  }

  private show(placed: Placed | undefined): void {
    const condition = conditionOf(placed);
    if (condition === this.shown) return;
    this.shown = condition;
    this.events.hovered();
    this.emphasize();
  }

  private emphasize(): void {
    const wanted = this.placeOf(this.shown ?? this.lockedCondition);
    const series = wanted?.series.id;
    select(this.element)
      .selectAll<SVGGElement, unknown>('[data-series]')
      .classed('faded', function () {
        return series !== undefined && this.dataset['series'] !== series;
      });
    select(this.element)
      .selectAll<SVGGElement, unknown>('[data-point]')
      .classed('chosen', function () {
        return this.dataset['point'] === conditionOf(wanted);
      });
  }

  /** Arrows left and right along a method, up and down from method to method at about the same cost. */
  private pressed(event: KeyboardEvent): void {
    const key = event.key;
    const { shown, lockedCondition } = this;
    if (key === 'Escape' && lockedCondition !== undefined) this.lock(undefined);
    else if (key === 'Enter' && shown !== undefined) this.lock(shown === lockedCondition ? undefined : shown);
    else if (['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown'].includes(key)) this.show(this.neighbour(key));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private neighbour(key: string): Placed | undefined {
    const all = this.allPlaced();
    const current = this.placeOf(this.shown ?? this.lockedCondition);
    if (!current) return all[0];
    const own = this.placed.find(placed => placed.includes(current))!;
    if (key === 'ArrowLeft') return own[Math.max(0, own.indexOf(current) - 1)];
    if (key === 'ArrowRight') return own[Math.min(own.length - 1, own.indexOf(current) + 1)];
    const column = this.placed.map(
      placed => [...placed].sort((a, b) => Math.abs(a.x - current.x) - Math.abs(b.x - current.x))[0]!,
    );
    column[this.placed.indexOf(own)] = current;
    const order = column.sort((a, b) => a.y - b.y || a.series.index - b.series.index);
    const place = order.indexOf(current) + (key === 'ArrowUp' ? -1 : 1);
    return order[Math.max(0, Math.min(order.length - 1, place))];
  }
}

const conditionOf = (placed: Placed | undefined): string | undefined => placed?.point.summary.condition.id;

function labelGutter(series: readonly ChartSeries[]): number {
  return 24 + (step * series.length) / 2 + letterWidth * Math.max(0, ...series.map(({ title }) => title.length));
}

interface Plot {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

type Scale = ReturnType<typeof scaleLinear<number, number>>;

function axes(group: Group, { x, y, plot, metric }: { x: Scale; y: Scale; plot: Plot; metric: Metric }): void {
  group
    .append('g')
    .attr('class', 'axis grid')
    .attr('transform', `translate(${plot.left},0)`)
    .call(
      axisLeft(y)
        .ticks(5)
        .tickSize(plot.left - plot.right)
        .tickFormat(value => `${Math.round(100 * Number(value))}\u2009%`),
    );
  group
    .append('g')
    .attr('class', 'axis')
    .attr('transform', `translate(0,${plot.bottom})`)
    .call(
      axisBottom(x)
        .ticks(8)
        .tickSize(4)
        .tickFormat(value => metric.tick(Number(value))),
    );
  group
    .append('text')
    .attr('class', 'axis-title')
    .attr('x', (plot.left + plot.right) / 2)
    .attr('y', height - 6)
    .attr('text-anchor', 'middle')
    .text(metric.title);
}

function reference(group: Group, { result, summary, x }: ChartPoint, metric: Metric, y: Scale, plot: Plot): void {
  const [low, high] = result.interval;
  group.attr('class', 'unpruned');
  group
    .append('rect')
    .attr('x', plot.left)
    .attr('width', plot.right - plot.left)
    .attr('y', y(high))
    .attr('height', y(low) - y(high));
  const place = y(result.accuracy);
  group.append('line').attr('x1', plot.left).attr('x2', plot.right).attr('y1', place).attr('y2', place);
  group
    .append('text')
    .attr('x', plot.right - 4)
    .attr('y', y(high) - 4 < plot.top + 8 ? y(low) + 13 : y(high) - 4)
    .attr('text-anchor', 'end')
    .text(`${summary.condition.title}, at ${metric.tick(x)}: ${percent(result.accuracy)}`);
}

function drawSeries(group: Group, placed: readonly Placed[]): void {
  const { series } = placed[0]!;
  group.attr('class', `series ${seriesClass(series.index)}`).attr('data-series', series.id);
  const path = line<Placed>(
    ({ x }) => x,
    ({ y }) => y,
  );
  group
    .append('path')
    .attr('class', 'series-line')
    .attr('d', path([...placed]));
  const points = group
    .selectAll('g')
    .data(placed)
    .join('g')
    .attr('class', 'series-point')
    .attr('data-point', ({ point }) => point.summary.condition.id);
  points
    .append('path')
    .attr('class', 'whisker')
    .attr('d', ({ x, low, high }) => `M${x},${low}V${high}M${x - 3},${low}h6M${x - 3},${high}h6`);
  points
    .append('path')
    .attr('class', 'marker')
    .attr('transform', ({ x, y }) => `translate(${x},${y})`)
    .attr('d', markerPath(series.index, markerArea));
}

function drawLabels(group: Group, placed: readonly (readonly Placed[])[], plot: Plot): void {
  const firsts = placed.map(points => points[0]!);
  const edge = Math.min(...firsts.map(({ x }) => x)) - 14;
  const places = spreadLabels(
    firsts.map(({ y }) => y),
    labelDistance,
    plot.top + 8,
    plot.bottom - 6,
  );
  const labels = group
    .selectAll('g')
    .data(firsts)
    .join('g')
    .attr('class', ({ series }) => `series-label ${seriesClass(series.index)}`)
    .attr('data-series', ({ series }) => series.id);
  labels
    .append('path')
    .attr('class', 'leader')
    .attr('d', ({ x, y }, index) => `M${edge + 2},${places[index]!}L${x - 6},${y}`);
  labels
    .append('text')
    .attr('x', edge)
    .attr('y', (_, index) => places[index]! + 4)
    .attr('text-anchor', 'end')
    .text(({ series }) => series.title);
}
