import { range, scaleLinear, select, stack } from 'd3';
import { tableColumn, type TableData } from '../charts.ts';
import { element } from '../element.ts';
import { share } from '../format.ts';
import type { Scene } from '../scene.ts';

/** Groups whose colour stands for itself in high contrast; the others have patterns. */
const solid: ReadonlySet<string> = new Set(['image', 'hr']);
const height = 72;
const top = 16;

type Masses = readonly number[];

/** What bars are made of. Their classes are `mass-…`, by which the style sheet knows their colours. */
export interface MassSource {
  /** Test id, and part of the ids of its patterns. */
  readonly id: string;
  readonly title: string;
  /** The first stands on top and its share above the bars. */
  readonly groups: readonly { readonly name: string; readonly style: string }[];
  /** Its short name left of the numbers; by default its name. */
  readonly top?: string;
  /** Shares of a decoder layer in the order of `groups`, 0 to 1; undefined where nothing is known. */
  masses(scene: Scene, layer: number): Masses | undefined;
  /** What the label says is told of: "row that predicts “apple”". */
  subject(scene: Scene): string;
  /** A line under the bars, e.g. another number per layer. */
  readonly below?: { readonly label: string; text(scene: Scene, layer: number): string };
}

/** What a row reads from, layer by layer, in the columns of the layers. */
export class MassBars {
  readonly element: HTMLElement;
  readonly body: SVGSVGElement;
  private readonly note = element('small', {}, '% of attention, mean of heads');
  private masses: readonly (Masses | undefined)[] = [];
  private below: readonly string[] = [];
  private first = 0;

  constructor(private readonly source: MassSource) {
    this.body = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    this.body.setAttribute('role', 'img');
    this.body.setAttribute('tabindex', '0');
    this.body.setAttribute('data-testid', source.id);
    this.body.classList.add('mass-bars');
    const key = source.groups.map(({ name, style }) =>
      element('span', { class: 'key-entry' }, element('b', { class: `swatch mass-${style}` }), name),
    );
    this.element = element(
      'div',
      { class: 'mass-chart' },
      element(
        'div',
        { class: 'chart-title' },
        element('h2', {}, source.title),
        this.note,
        element('span', { class: 'colour-key' }, ...key),
      ),
      this.body,
    );
    select(this.body)
      .append('defs')
      .selectAll('pattern')
      .data(source.groups)
      .join('pattern')
      .attr('id', ({ style }) => this.patternOf(style))
      .attr('width', 6)
      .attr('height', 6)
      .attr('patternUnits', 'userSpaceOnUse')
      .append('path')
      .attr('class', ({ style }) => `pattern-mark mass-${style}`)
      .attr('d', ({ style }) => patterns[style] ?? '');
  }

  draw(scene: Scene): void {
    const { layout, focus, theme } = scene;
    const { columns, gutter, map } = layout;
    const { groups: order, below } = this.source;
    const inSight = range(columns.first, columns.first + columns.count);
    this.first = columns.first;
    this.masses = inSight.map(layer => this.source.masses(scene, layer));
    if (this.masses.every(one => one === undefined)) this.masses = [];
    this.below = below ? inSight.map(layer => below.text(scene, layer)) : [];
    const width = below ? Math.max(map.width, columns.pitch - 6) : map.width;
    const y = scaleLinear([0, 1], [top, top + height]);
    const svg = select(this.body)
      .attr('width', layout.canvasWidth)
      .attr('height', top + height + (below ? 18 : 2));
    const series = stack<unknown, Masses | undefined, number>()
      .keys(range(order.length))
      .value((one, group) => one?.[group] ?? 0)([...this.masses]);
    const groups = svg
      .selectAll<SVGGElement, (typeof series)[number]>('g.group')
      .data(series, one => one.key)
      .join('g')
      .attr('class', one => `group mass-${order[one.key]!.style}`);
    groups
      .selectAll<SVGRectElement, (typeof series)[number][number]>('rect')
      .data(one => one)
      .join('rect')
      .attr('x', (_, i) => gutter + i * columns.pitch)
      .attr('width', width)
      .attr('y', one => y(one[0]))
      // Parts are one pixel apart.
      .attr('height', one => Math.max(0, y(one[1]) - y(one[0]) - 1));
    groups.attr('fill', one =>
      theme.highContrast && !solid.has(order[one.key]!.style) ? `url(#${this.patternOf(order[one.key]!.style)})` : null,
    );
    const every = columns.pitch >= 32 ? 1 : columns.pitch >= 18 ? 2 : 4;
    // The chosen layer's number is always there; others make room for it.
    const nearChosen = (column: number): boolean =>
      range(1 - every, every).some(step => this.isChosen(scene, column + step));
    svg
      .selectAll<SVGTextElement, Masses | undefined>('text.column')
      .data(this.masses)
      .join('text')
      .attr('class', 'column')
      .classed('chosen', (_, i) => this.isChosen(scene, i))
      .attr('x', (_, i) => gutter + i * columns.pitch)
      .attr('y', 11)
      .text((one, i) =>
        one && (this.isChosen(scene, i) || (i % every === 0 && !nearChosen(i)))
          ? aboveBar(one[0]!, columns.pitch >= 40)
          : '',
      );
    svg
      .selectAll('text.label')
      .data([
        [this.source.top ?? order[0]!.name, 11] as const,
        ['0', top + 10] as const,
        ['100', top + height] as const,
        ...(below ? [[below.label, top + height + 14] as const] : []),
      ])
      .join('text')
      .attr('class', 'label')
      .attr('text-anchor', 'end')
      .attr('x', gutter - 4)
      .attr('y', ([, at]) => at)
      .text(([text]) => text);
    svg
      .selectAll<SVGTextElement, string>('text.below')
      .data(this.below)
      .join('text')
      .attr('class', 'below')
      .classed('chosen', (_, i) => this.isChosen(scene, i))
      .attr('x', (_, i) => gutter + i * columns.pitch)
      .attr('y', top + height + 14)
      .text((text, i) => (this.isChosen(scene, i) || (i % every === 0 && !nearChosen(i)) ? text : ''));
    svg
      .selectAll<SVGTextElement, number>('text.layer')
      .data(range(0, this.masses.length, every))
      .join('text')
      .attr('class', 'layer figure-only')
      .attr('x', column => gutter + column * columns.pitch)
      .attr('y', top + height + (below ? 29 : 13))
      .text(column => `D${this.first + column}`);
    const read = focus.tower === 'decoder' ? this.masses[focus.layers.first - columns.first] : undefined;
    this.body.setAttribute(
      'aria-label',
      `What the ${this.source.subject(scene)} reads from, layer by layer` +
        (read
          ? `; layer D${focus.layers.first}: ${order.map(({ name }, i) => `${name} ${share(read[i]!)}`).join(', ')}`
          : ''),
    );
  }

  table(): TableData {
    const { groups, title, below } = this.source;
    return {
      caption: `${title}, share of attention, mean of heads`,
      columns: [
        tableColumn('layer', false),
        ...groups.map(({ name }) => tableColumn(name)),
        ...(below ? [tableColumn(below.label)] : []),
      ],
      rows: this.masses.map((one, i) => [
        `D${this.first + i}`,
        ...groups.map((_, group) => (one ? share(one[group]!) : '')),
        ...(below ? [this.below[i] ?? ''] : []),
      ]),
    };
  }

  private patternOf(style: string): string {
    return `${this.source.id}-${style}`;
  }

  private isChosen({ focus }: Scene, column: number): boolean {
    const layer = this.first + column;
    return focus.tower === 'decoder' && layer >= focus.layers.first && layer <= focus.layers.last;
  }
}

/** "27 %"; under one percent with the decimal that tells it from nothing, where there is room. */
function aboveBar(value: number, room: boolean): string {
  if (!room) return String(Math.round(value * 100));
  return value > 0 && value < 0.01 ? share(value) : `${Math.round(value * 100)}\u2009%`;
}

const patterns: Readonly<Record<string, string>> = {
  question: 'M0 6L6 0',
  generated: 'M3 0V6',
  system: 'M0 3H6',
  bos: 'M2 2h2v2h-2z',
};
