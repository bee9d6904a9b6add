/** The logical matrix as a chord diagram: from whose rank to whose, over however many hops. */
import { chordDirected, ribbonArrow } from 'd3';
import { logicalMatrix } from '../../trace/traffic/matrices.ts';
import { type TableData, tableColumn } from '../charts.ts';
import { element } from '../element.ts';
import { count } from '../format.ts';
import { svgElement } from '../svg.ts';
import { bytes } from './quantity.ts';
import { label, rankClass } from './rank-rows.ts';
import type { RunTraffic } from './run-traffic.ts';
import type { Focus } from './traffic-state.ts';

const side = 248;
const outer = 104;
const band = 8;
const mostChordRanks = 16;

export class LogicalChord {
  readonly body = svgElement('svg', {
    width: side,
    height: side,
    viewBox: `${-side / 2} ${-side / 2} ${side} ${side}`,
    tabindex: 0,
    role: 'img',
    'data-testid': 'chord',
  });
  private readonly heading = element('h2', {}, 'Owner to consumer');
  private readonly note = element('small', { 'data-testid': 'chord-note' });
  readonly element = element('section', { class: 'detail chord' }, this.heading, this.note, this.body);
  private shown: { readonly run: RunTraffic; readonly values: number[][] } | undefined;

  draw({ run, owner }: Focus): void {
    const values = logicalMatrix(run.ledger.transfers, run.ranks);
    this.shown = { run, values };
    // What came home is no consumption by another rank.
    const others = values.map((row, from) => row.map((value, to) => (from === to ? 0 : value)));
    const consumers = others.map(row => row.filter(value => value > 0).length);
    const pure = Math.max(...consumers) <= 1;
    const drawn = !pure && run.ranks <= mostChordRanks;
    this.body.toggleAttribute('hidden', !drawn);
    this.heading.textContent = `Owner to consumer, ${run.title}`;
    this.note.textContent = drawn
      ? `all rounds, hops left out; arrows end at the consumer; block ${owner} marked; ways home left out`
      : pure
        ? 'Every block goes to one other rank at most: the matrix says it all.'
        : `Drawn up to ${mostChordRanks} ranks; with ${run.ranks} the matrix says more.`;
    if (!drawn) return;
    const chords = chordDirected().padAngle(0.06)(others);
    const ribbon = ribbonArrow<unknown, (typeof chords)[number], (typeof chords)[number]['source']>()
      .radius(outer - band - 1)
      .padAngle(0.01);
    // The types know only the call that draws into a context.
    const pathOf = ribbon as unknown as (each: (typeof chords)[number]) => string | null;
    this.body.replaceChildren(
      ...[...chords]
        .sort((a, b) => Number(a.source.index === owner) - Number(b.source.index === owner))
        .map(each =>
          svgElement('path', {
            class: `ribbon ${rankClass(each.source.index)}${each.source.index === owner ? ' marked' : ''}`,
            d: pathOf(each) ?? '',
          }),
        ),
      ...chords.groups.flatMap(({ index, startAngle, endAngle }) => {
        const middle = (startAngle + endAngle) / 2;
        return [
          svgElement('path', { class: `arc ${rankClass(index)}`, d: arcPath(startAngle, endAngle) }),
          label(
            (outer + 11) * Math.sin(middle),
            -(outer + 11) * Math.cos(middle) + 4,
            String(index),
            index === owner ? 'strong' : 'dim',
            'middle',
          ),
        ];
      }),
    );
    const total = others.flat().reduce((sum, value) => sum + value, 0);
    this.body.setAttribute(
      'aria-label',
      `Bytes from owners to consumers of ${run.title}: ${bytes(total)} in all; each of ${run.ranks} ranks consumes blocks of up to ${Math.max(...consumers)} others.`,
    );
  }

  data(): TableData {
    const { run, values } = this.shown!;
    return {
      caption: `Bytes that arrived, owner to consumer, ${run.title}, all rounds`,
      columns: [tableColumn('owner', false), ...values.map((_, rank) => tableColumn(`rank ${rank}`))],
      rows: values.map((row, rank) => [`rank ${rank}`, ...row.map(count)]),
    };
  }
}

/** A ring segment, clockwise from the top. */
function arcPath(start: number, end: number): string {
  const at = (angle: number, radius: number): string => `${radius * Math.sin(angle)},${-radius * Math.cos(angle)}`;
  const large = end - start > Math.PI ? 1 : 0;
  const inner = outer - band;
  return `M${at(start, outer)}A${outer},${outer} 0 ${large} 1 ${at(end, outer)}L${at(end, inner)}A${inner},${inner} 0 ${large} 0 ${at(start, inner)}Z`;
}
