/** The depth axis of traffic: one tile per round, each a ring of ranks with the blocks that they hold. */
import { element } from '../element.ts';
import { svgElement } from '../svg.ts';
import { bytes } from './quantity.ts';
import { label, rankClass } from './rank-rows.ts';
import { bytesPerRound, movingWords, type RunTraffic } from './run-traffic.ts';
import type { Focus, Pointed } from './traffic-state.ts';

const tile = 48;
const pitch = 76;
const left = 44;
const height = 92;

export class RingAxis {
  readonly element = element('footer', { class: 'ring-axis' });
  private readonly title = element('small', { 'data-testid': 'ring-title' });
  private readonly body = svgElement('svg', {
    height,
    'data-testid': 'ring-axis',
    role: 'slider',
    tabindex: 0,
    'aria-label': 'Round',
  });
  private readonly scroller = element('div', { class: 'ring-scroll' }, this.body);
  private readonly state = element('div', { class: 'ring-state' });
  private shown: RunTraffic | undefined;

  constructor(point: (pointed: Pointed, click: boolean) => void) {
    this.element.append(this.state, element('div', { class: 'ring-column' }, this.scroller, this.title));
    const report = (event: MouseEvent, click: boolean): void => {
      const round = this.at(event);
      if (round !== undefined && this.shown) point({ run: this.shown.index, round }, click);
      else if (!click) point({}, false);
    };
    this.body.addEventListener('pointermove', event => {
      report(event, false);
    });
    this.body.addEventListener('click', event => {
      report(event, true);
    });
  }

  draw({ run, round, owner, rank }: Focus, playing: boolean): void {
    this.shown = run;
    const tiles = run.rounds + 1;
    const width = left + tiles * pitch;
    this.body.setAttribute('width', String(width));
    this.body.setAttribute('viewBox', `0 0 ${width} ${height}`);
    const sent = bytesPerRound(run);
    const { block } = movingWords(run.moving);
    this.body.replaceChildren(
      label(0, 84, 'sent', 'dim'),
      ...Array.from({ length: tiles }, (_, each) =>
        this.tile(run, each, owner, each === round, each < run.rounds ? sent[each]! : undefined),
      ).flat(),
    );
    this.body.setAttribute('aria-valuemin', '0');
    this.body.setAttribute('aria-valuemax', String(run.rounds));
    this.body.setAttribute('aria-valuenow', String(round));
    this.body.setAttribute(
      'aria-valuetext',
      round < run.rounds ? `round ${round} of ${run.rounds}` : 'everything is home',
    );
    this.title.textContent = `Rounds of ${run.title}: which rank holds which ${block}; rank 0 at the top, clockwise; block ${owner} marked`;
    this.state.replaceChildren(
      element(
        'strong',
        { 'data-testid': 'round' },
        round < run.rounds ? `Round ${round} of ${run.rounds}` : 'After the last round',
      ),
      element('small', {}, `${run.title}, rank ${rank}${playing ? ', playing' : ''}`),
      element(
        'small',
        {},
        'Space plays the rounds, ← → step, comma and full stop change the rank; t: table, s: save figure',
      ),
    );
    const [start, end] = [left + round * pitch, left + round * pitch + tile];
    if (start < this.scroller.scrollLeft || end > this.scroller.scrollLeft + this.scroller.clientWidth)
      this.scroller.scrollLeft = Math.max(0, start - this.scroller.clientWidth / 2);
  }

  private tile(run: RunTraffic, round: number, owner: number, chosen: boolean, sent: number | undefined): SVGElement[] {
    const { ranks } = run;
    const x = left + round * pitch;
    const [middle, radius] = [tile / 2, tile / 2 - 7];
    const dot = ranks <= 12 ? 4.5 : ranks <= 24 ? 3 : 1.5;
    const ring = svgElement('circle', { class: 'ring', cx: x + middle, cy: 4 + middle, r: radius });
    const dots = Array.from({ length: ranks }, (_, rank) => {
      const angle = (2 * Math.PI * rank) / ranks - Math.PI / 2;
      const [cx, cy] = [x + middle + radius * Math.cos(angle), 4 + middle + radius * Math.sin(angle)];
      const blocks = round < run.rounds ? run.held[rank]![round]! : [rank];
      const single = blocks.length === 1 ? blocks[0]! : undefined;
      const marked = single === owner;
      const kind = single === undefined ? (blocks.length === 0 ? 'none' : 'several') : rankClass(single);
      const circle = svgElement('circle', {
        class: `ring-dot ${kind}${marked ? ' marked' : ''}`,
        cx,
        cy,
        r: marked ? Math.max(6, dot) : dot,
      });
      return marked ? [circle, label(cx, cy + 3, String(owner), 'dot-number on-rank', 'middle')] : [circle];
    });
    const name = round < run.rounds ? String(round) : 'home';
    return [
      ring,
      ...dots.flat(),
      label(x + middle, 68, name, chosen ? 'strong' : 'dim', 'middle'),
      ...(sent === undefined ? [] : [label(x + middle, 84, bytes(sent), 'dim', 'middle')]),
      ...(chosen
        ? [svgElement('rect', { class: 'chosen-column', x: x - 2, y: 2, width: tile + 4, height: tile + 4 })]
        : []),
    ];
  }

  private at(event: MouseEvent): number | undefined {
    const round = Math.floor((event.clientX - this.body.getBoundingClientRect().x - left + (pitch - tile) / 2) / pitch);
    return this.shown && round >= 0 && round <= this.shown.rounds ? round : undefined;
  }
}
