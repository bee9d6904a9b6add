import { range, scaleLinear, select, stack } from 'd3';
import { massGroups, type MassGroup } from '../../trace/schema.ts';
import { massOf } from '../attention/aggregate.ts';
import { tableColumn, type TableData } from '../charts.ts';
import { element } from '../element.ts';
import { groupName } from '../frame/readout.ts';
import { share } from '../format.ts';
import type { Scene } from '../scene.ts';

const order: readonly MassGroup[] = ['image', 'question', 'generated', 'system', 'bos'];
const height = 72;
const top = 16;

type Masses = Readonly<Record<MassGroup, number>>;

/** What the row reads from, layer by layer, in the columns of the layers. */
export class MassBars {
  readonly element: HTMLElement;
  readonly body: SVGSVGElement;
  private readonly note = element('small', {}, '% of attention, mean of heads');
  private masses: readonly Masses[] = [];
  private first = 0;

  constructor() {
    this.body = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    this.body.setAttribute('role', 'img');
    this.body.setAttribute('tabindex', '0');
    this.body.setAttribute('data-testid', 'mass-bars');
    this.body.classList.add('mass-bars');
    const key = order.map(group =>
      element('span', { class: 'key-entry' }, element('b', { class: `swatch mass-${group}` }), groupName(group)),
    );
    this.element = element(
      'div',
      { class: 'mass-chart' },
      element(
        'div',
        { class: 'chart-title' },
        element('h2', {}, 'What the row reads from'),
        this.note,
        element('span', { class: 'colour-key' }, ...key),
      ),
      this.body,
    );
    select(this.body)
      .append('defs')
      .selectAll('pattern')
      .data(order)
      .join('pattern')
      .attr('id', group => `pattern-${group}`)
      .attr('width', 6)
      .attr('height', 6)
      .attr('patternUnits', 'userSpaceOnUse')
      .append('path')
      .attr('class', group => `pattern-mark mass-${group}`)
      .attr('d', group => patternOf[group]);
  }

  draw(scene: Scene): void {
    const { layout, mass, metadata, focus, theme, words } = scene;
    const { columns, gutter, map } = layout;
    const { heads } = metadata.model.decoder;
    this.first = columns.first;
    this.masses = mass
      ? range(columns.first, columns.first + columns.count).map(layer => {
          const groups = massOf(mass, heads, massGroups.length, { first: layer, last: layer }, 'mean');
          return Object.fromEntries(massGroups.map((group, i) => [group, groups[i]!])) as Record<MassGroup, number>;
        })
      : [];
    const y = scaleLinear([0, 1], [top, top + height]);
    const svg = select(this.body)
      .attr('width', layout.canvasWidth)
      .attr('height', top + height + 2);
    const series = stack<unknown, Masses, MassGroup>()
      .keys(order)
      .value((one, group) => one[group])([...this.masses]);
    const groups = svg
      .selectAll<SVGGElement, (typeof series)[number]>('g.group')
      .data(series, one => one.key)
      .join('g')
      .attr('class', one => `group mass-${one.key}`);
    groups
      .selectAll<SVGRectElement, (typeof series)[number][number]>('rect')
      .data(one => one)
      .join('rect')
      .attr('x', (_, i) => gutter + i * columns.pitch)
      .attr('width', map.width)
      .attr('y', one => y(one[0]))
      // Parts are one pixel apart.
      .attr('height', one => Math.max(0, y(one[1]) - y(one[0]) - 1));
    groups.attr('fill', one => (theme.highContrast && one.key !== 'image' ? `url(#pattern-${one.key})` : null));
    const every = columns.pitch >= 32 ? 1 : columns.pitch >= 18 ? 2 : 4;
    // The chosen layer's number is always there; others make room for it.
    const nearChosen = (column: number): boolean =>
      range(1 - every, every).some(step => this.isChosen(scene, column + step));
    svg
      .selectAll<SVGTextElement, Masses>('text.column')
      .data(this.masses)
      .join('text')
      .attr('class', 'column')
      .classed('chosen', (_, i) => this.isChosen(scene, i))
      .attr('x', (_, i) => gutter + i * columns.pitch)
      .attr('y', 11)
      .text((one, i) =>
        this.isChosen(scene, i) || (i % every === 0 && !nearChosen(i))
          ? `${Math.round(one.image * 100)}${columns.pitch >= 40 ? '\u2009%' : ''}`
          : '',
      );
    svg
      .selectAll('text.label')
      .data([['image', 11] as const, ['0', top + 10] as const, ['100', top + height] as const])
      .join('text')
      .attr('class', 'label')
      .attr('text-anchor', 'end')
      .attr('x', gutter - 6)
      .attr('y', ([, at]) => at)
      .text(([text]) => text);
    svg
      .selectAll<SVGTextElement, number>('text.layer')
      .data(range(0, this.masses.length, every))
      .join('text')
      .attr('class', 'layer figure-only')
      .attr('x', column => gutter + column * columns.pitch)
      .attr('y', top + height + 13)
      .text(column => `D${this.first + column}`);
    const read = focus.tower === 'decoder' ? this.masses[focus.layers.first - columns.first] : undefined;
    this.body.setAttribute(
      'aria-label',
      `What the ${words.subject} reads from, layer by layer` +
        (read
          ? `; layer D${focus.layers.first}: ${order.map(group => `${groupName(group)} ${share(read[group])}`).join(', ')}`
          : ''),
    );
  }

  table(): TableData {
    return {
      caption: 'What the row reads from, share of attention, mean of heads',
      columns: [tableColumn('layer', false), ...order.map(group => tableColumn(groupName(group)))],
      rows: this.masses.map((one, i) => [`D${this.first + i}`, ...order.map(group => share(one[group]))]),
    };
  }

  private isChosen({ focus }: Scene, column: number): boolean {
    const layer = this.first + column;
    return focus.tower === 'decoder' && layer >= focus.layers.first && layer <= focus.layers.last;
  }
}

const patternOf: Readonly<Record<MassGroup, string>> = {
  image: 'M0 0h6v6h-6z',
  question: 'M0 6L6 0',
  generated: 'M3 0V6',
  system: 'M0 3H6',
  bos: 'M2 2h2v2h-2z',
};
