import { select, type Selection as D3Selection } from 'd3';
import { meanEntering, meanLeaving } from '../../trace/fates.ts';
import { tableColumn, type TableData } from '../charts.ts';
import { element, setText } from '../element.ts';
import { count } from '../format.ts';
import { measureHover } from '../measures.ts';
import type { PanelContext } from '../panel-context.ts';
import { flowTotal, tokenFlow, type FlowParts, type FlowStep } from '../pruning/flow.ts';
import { placeName } from '../pruning/stages.ts';
import type { Scene } from '../scene.ts';
import { hatchPattern, svgElement } from '../svg.ts';

const kinds = ['key', 'single', 'merged'] as const;
type Kind = (typeof kinds)[number];
const kindNames: Readonly<Record<Kind, string>> = { key: 'key set', single: 'single patches', merged: 'merged groups' };

const top = 4;
const fullHeight = 150;
/** Under the last band: the counts of what leaves. */
const labelRoom = 44;
const sourceWidth = 10;

interface Piece {
  readonly key: string;
  readonly kind: Kind | 'leaving';
  readonly path: string;
}

interface Label {
  readonly key: string;
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly kind: 'count' | 'change' | 'words' | 'rescued' | 'merged';
}

/** Where the visual tokens go, on the layer columns: one scale of height from the patches to decode. */
export class TokenFlow {
  readonly element: HTMLElement;
  readonly body = svgElement('svg', { class: 'token-flow', role: 'img', tabindex: 0, 'data-testid': 'token-flow' });
  private readonly note = element('small', { 'data-testid': 'flow-note' });
  private readonly keys = element('span', { class: 'colour-key' });
  private readonly chosen = svgElement('line', { class: 'chosen-stage' });
  private scene: Scene | null = null;
  private flow: readonly FlowStep[] = [];
  private drawn = '';

  constructor(private readonly context: PanelContext) {
    const defs = svgElement('defs');
    defs.append(hatchPattern('flow-hatch', 5), hatchPattern('flow-merged', 4));
    this.body.append(defs, this.chosen);
    this.element = element(
      'div',
      { class: 'flow-chart' },
      element('div', { class: 'chart-title' }, element('h2', {}, 'Flow of tokens'), this.note, this.keys),
      this.body,
    );
    this.listen();
  }

  draw(scene: Scene): void {
    this.scene = scene;
    const { layout, metadata, fates, stage } = scene;
    const { reduction } = metadata;
    if (!reduction) return;
    const key = `${layout.canvasWidth} ${layout.columns.first} ${layout.columns.pitch} ${fates !== null}`;
    if (key !== this.drawn) {
      this.drawn = key;
      this.flow = tokenFlow(reduction, fates);
      this.drawFlow(scene);
    }
    const x = this.stageLine(scene);
    this.chosen.setAttribute('visibility', x === undefined ? 'hidden' : 'visible');
    if (x !== undefined) {
      this.chosen.setAttribute('x1', String(x));
      this.chosen.setAttribute('x2', String(x));
    }
    const at = reduction.stages[stage];
    this.body.setAttribute(
      'aria-label',
      `Flow of visual tokens: ${this.note.textContent}` +
        (at ? `; ${placeName(at)}: ${count(at.entering)} to ${count(at.leaving)}` : ''),
    );
  }

  table(): TableData {
    const columns = [
      tableColumn('at', false),
      ...['entering', 'key set', 'single', 'merged', 'dropped', 'merged away', 'rescued', 'leaving'].map(title =>
        tableColumn(title),
      ),
    ];
    const rows = this.flow.map(step => [
      step.layer < 0 ? 'patches to decoder' : `D${step.layer}`,
      ...[flowTotal(step.entering), step.entering.key, step.entering.single, step.entering.merged].map(count),
      ...[step.dropped, step.mergedAway, step.rescued, flowTotal(step.leaving)].map(count),
    ]);
    return { caption: 'Visual tokens from the patches to decode', columns, rows };
  }

  private drawFlow(scene: Scene): void {
    const { layout, metadata } = scene;
    const { columns, gutter } = layout;
    const reduction = metadata.reduction!;
    const steps = this.flow.slice(1 + columns.first, 1 + columns.first + columns.count);
    const source = this.flow[0]!;
    const tallest = Math.max(flowTotal(source.entering), 1);
    const scale = fullHeight / tallest;
    const tile = columns.pitch >= 70 ? 48 : Math.max(3, Math.round(columns.pitch * 0.6));
    const most = Math.max(1, ...this.flow.map(({ dropped }) => dropped));
    const leavingScale = Math.min(scale, Math.max(8, columns.pitch - tile - 10) / most);
    const deepest = Math.max(...this.flow.slice(1).map(step => flowTotal(step.entering))) * scale;
    const end = top + Math.max(deepest + 24, 96);
    const pieces: Piece[] = [];
    const labels: Label[] = [];
    const stretches: Record<Kind, Stretch[]> = { key: [], single: [], merged: [] };

    if (columns.first === 0) this.addSource(source, scale, gutter, pieces, labels);
    steps.forEach((step, i) => {
      const x = gutter + i * columns.pitch;
      const next = i === steps.length - 1 ? x + Math.max(tile, columns.pitch - 4) : x + columns.pitch;
      const changes = step.stages.length > 0;
      if (changes && step.dropped > 0) {
        const wide = Math.max(2, step.dropped * leavingScale);
        const [upper, lower] = [flowTotal(step.leaving) * scale, flowTotal(step.entering) * scale];
        pieces.push({
          key: `leaving ${step.layer}`,
          kind: 'leaving',
          path: falling(x + tile, upper, lower, wide, end),
        });
      }
      addStretches(step, scale, x, changes ? x + tile : next, next, stretches);
      const before = steps[i - 1];
      const total = flowTotal(step.entering);
      const room = columns.pitch >= 34;
      if ((!before || flowTotal(before.entering) !== total) && room)
        labels.push({
          key: `n${step.layer}`,
          x: x + 2,
          y: top + total * scale + 12,
          text: count(total),
          kind: 'count',
        });
      if (changes) addChange(step, x + Math.min(tile + 4, columns.pitch - 2), end + 12, columns.pitch, labels);
    });
    for (const kind of kinds) pieces.push({ key: kind, kind, path: bandPaths(stretches[kind]) });
    const last = this.flow.at(-1)!;
    const height = this.flow.slice(1).some(({ stages }) => stages.length > 0) ? end + labelRoom : 0;
    this.drawParts(scene, pieces, labels, Math.max(height, top + fullHeight + 16));
    this.describe(reduction.stages.length, source, last, leavingScale < scale, scene);
  }

  private addSource(source: FlowStep, scale: number, gutter: number, pieces: Piece[], labels: Label[]): void {
    // The patches as what they will be part of when the decoder begins.
    const { merged, single } = this.sourcePatches();
    const bar: Piece[] = [];
    let y = top;
    const to: FlowParts = source.leaving;
    let yTo = top;
    const rows: readonly [Kind, number, number][] = [
      ['single', single, to.key + to.single],
      ['merged', merged, to.merged],
    ];
    for (const [kind, patches, tokens] of rows) {
      const [from, into] = [patches * scale, tokens * scale];
      if (patches > 0) {
        bar.push({
          key: `source ${kind}`,
          kind,
          path: `M0 ${y}h${sourceWidth}v${Math.max(0.5, from - 1)}h${-sourceWidth}z`,
        });
        bar.push({ key: `in ${kind}`, kind, path: ribbon(sourceWidth, gutter, y, from, yTo, into) });
      }
      y += from;
      yTo += into;
    }
    const dropped = source.dropped * scale;
    if (source.dropped > 0) {
      bar.push({ key: 'source leaving', kind: 'leaving', path: `M0 ${y}h${sourceWidth}v${dropped}h${-sourceWidth}z` });
      y += dropped;
    }
    pieces.push(...bar);
    labels.push({ key: 'patches', x: 0, y: y + 12, text: count(flowTotal(source.entering)), kind: 'count' });
    if (source.dropped === 0) return;
    // Beside the bar there is room: all that goes on lies higher.
    const middle = y - dropped / 2;
    labels.push({ key: 'gone', x: sourceWidth + 5, y: middle, text: `\u2212${count(source.dropped)}`, kind: 'change' });
    labels.push({ key: 'gone words', x: sourceWidth + 5, y: middle + 13, text: 'dropped', kind: 'words' });
  }

  /** How many patches enter the decoder alone, and how many as part of a group. */
  private sourcePatches(): { single: number; merged: number } {
    const { entering, leaving, dropped } = this.flow[0]!;
    const single = Math.min(flowTotal(entering), leaving.key + leaving.single);
    return { single, merged: Math.max(0, flowTotal(entering) - single - dropped) };
  }

  private drawParts({ layout }: Scene, pieces: Piece[], labels: Label[], height: number): void {
    const svg = select(this.body as SVGElement)
      .attr('width', layout.canvasWidth)
      .attr('height', height);
    svg
      .selectAll<SVGPathElement, Piece>('path.band')
      .data(pieces, piece => piece.key)
      .join(enter => enter.insert('path', 'line.chosen-stage'))
      .attr('class', piece => `band ${piece.kind}${piece.key.startsWith('in ') ? ' joining' : ''}`)
      .attr('d', piece => piece.path);
    svg
      .selectAll<SVGTextElement, Label>('text')
      .data(labels, label => label.key)
      .join('text')
      .attr('class', label => label.kind)
      .attr('x', label => label.x)
      .attr('y', label => label.y)
      .text(label => label.text);
    this.chosen.setAttribute('y1', '0');
    this.chosen.setAttribute('y2', String(Math.min(height - labelRoom, 130)));
  }

  private describe(stages: number, source: FlowStep, last: FlowStep, narrowed: boolean, { metadata }: Scene): void {
    const reduction = metadata.reduction!;
    const patches = count(flowTotal(source.entering));
    const into = source.stages.length > 0 ? ` → ${count(flowTotal(source.leaving))} before the decoder` : '';
    const survivors = count(reduction.layers.at(-1)?.leaving ?? flowTotal(last.leaving));
    setText(
      this.note,
      `height is tokens, one scale · ${patches} patches${into} → ${survivors} survivors` +
        (narrowed ? ' · leaving streams on a scale of their own' : ''),
    );
    this.note.title = `${this.note.textContent} · ${stages} stages; mean entering ${meanEntering(reduction.layers).toFixed(1)}, leaving ${meanLeaving(reduction.layers).toFixed(1)}`;
    const seen = kinds.filter(kind => this.flow.some(step => step.entering[kind] + step.leaving[kind] > 0));
    const keys: D3Selection<HTMLSpanElement, Kind, HTMLElement, unknown> = select(this.keys)
      .selectAll<HTMLSpanElement, Kind>('.key-entry')
      .data(seen, kind => kind)
      .join(enter => enter.append(kind => keyEntry(kind)));
    keys.order();
  }

  private stageLine({ layout, metadata, stage }: Scene): number | undefined {
    const at = metadata.reduction?.stages[stage];
    const { columns, gutter } = layout;
    if (!at) return undefined;
    const { tower, layer } = at.place;
    if (tower === 'vision' || (tower === 'decoder' && layer < 0))
      return columns.first === 0 ? gutter / 2 + 4 : undefined;
    const column = layer - columns.first;
    if (column < 0 || column >= columns.count) return undefined;
    const tile = columns.pitch >= 70 ? 48 : Math.max(3, Math.round(columns.pitch * 0.6));
    return (
      gutter + column * columns.pitch + (tower === 'cache' ? tile / 2 : tile + Math.min(14, (columns.pitch - tile) / 2))
    );
  }

  private listen(): void {
    const { hover, actions } = this.context;
    const layerAt = (event: MouseEvent): number | null => {
      if (!this.scene) return null;
      const { gutter, columns } = this.scene.layout;
      const x = event.clientX - this.body.getBoundingClientRect().left - gutter;
      const layer = columns.first + Math.floor(x / columns.pitch);
      return x < 0 || layer >= columns.first + columns.count ? null : layer;
    };
    this.body.addEventListener('pointermove', event => {
      const layer = layerAt(event);
      const { layer: known } = hover.get();
      if ((known?.layer ?? null) === layer) return;
      measureHover(() => {
        hover.set({ layer: layer === null ? null : { tower: 'decoder', layer } });
      });
    });
    this.body.addEventListener('pointerleave', () => {
      hover.set({ layer: null });
    });
    this.body.addEventListener('click', event => {
      const layer = layerAt(event);
      if (layer !== null) actions.chooseLayer(layer);
    });
  }
}

function keyEntry(kind: Kind): HTMLElement {
  return element('span', { class: 'key-entry' }, element('b', { class: `swatch band-${kind}` }), kindNames[kind]);
}

/** From one vertical extent to another, in an S. */
function ribbon(x0: number, x1: number, y0: number, h0: number, y1: number, h1: number): string {
  const middle = (x0 + x1) / 2;
  const [a, b] = [Math.max(0.5, h0 - 1), Math.max(0.5, h1 - 1)];
  return (
    `M${x0} ${y0}C${middle} ${y0} ${middle} ${y1} ${x1} ${y1}V${y1 + b}` +
    `C${middle} ${y1 + b} ${middle} ${y0 + a} ${x0} ${y0 + a}Z`
  );
}

/** What leaves: out of the bottom of the stack, down to where its count is written. */
function falling(x: number, upper: number, lower: number, width: number, end: number): string {
  const [y0, y1] = [top + upper, top + lower];
  const at = x + 6;
  return (
    `M${x} ${y0}C${at + width} ${y0} ${at + width} ${y0 + 12} ${at + width} ${end}H${at}` +
    `C${at} ${Math.min(end, y1 + 12)} ${at} ${y1} ${x} ${y1}Z`
  );
}

/** One stretch of a band: from (x0, y0, height h0) to (x1, y1, height h1), straight or bent. */
interface Stretch {
  readonly x0: number;
  readonly x1: number;
  readonly from: readonly [y: number, height: number];
  readonly to: readonly [y: number, height: number];
}

/** The bands of a step, each as one stretch up to where tokens leave and one from there on. */
function addStretches(
  step: FlowStep,
  scale: number,
  x: number,
  bend: number,
  next: number,
  into: Readonly<Record<Kind, Stretch[]>>,
): void {
  let [from, to] = [top, top];
  for (const kind of kinds) {
    const [h0, h1] = [step.entering[kind] * scale, step.leaving[kind] * scale];
    into[kind].push({ x0: x, x1: bend, from: [from, h0], to: [from, h0] });
    if (bend < next) into[kind].push({ x0: bend, x1: next, from: [from, h0], to: [to, h1] });
    from += h0;
    to += h1;
  }
}

/** Runs of stretches that have a height, each as one outline. */
function bandPaths(stretches: readonly Stretch[]): string {
  const runs: Stretch[][] = [];
  let open = false;
  for (const stretch of stretches) {
    const empty = stretch.from[1] === 0 && stretch.to[1] === 0;
    if (!empty && open) runs.at(-1)!.push(stretch);
    else if (!empty) runs.push([stretch]);
    open = !empty;
  }
  return runs.map(outline).join('');
}

function outline(run: readonly Stretch[]): string {
  const bottom = ([y, height]: Stretch['from']): number => y + Math.max(0.5, height - 1);
  const edge = (x0: number, y0: number, x1: number, y1: number): string =>
    y0 === y1 ? `H${x1}` : `C${(x0 + x1) / 2} ${y0} ${(x0 + x1) / 2} ${y1} ${x1} ${y1}`;
  const first = run[0]!;
  const last = run.at(-1)!;
  const there = run.map(({ x0, x1, from, to }) => edge(x0, from[0], x1, to[0]));
  const back = [...run].reverse().map(({ x0, x1, from, to }) => edge(x1, bottom(to), x0, bottom(from)));
  return `M${first.x0} ${first.from[0]}${there.join('')}V${bottom(last.to)}${back.join('')}Z`;
}

function addChange(step: FlowStep, x: number, y: number, pitch: number, labels: Label[]): void {
  let line = y;
  const add = (kind: Label['kind'], text: string): void => {
    labels.push({ key: `${kind} ${step.layer} ${line}`, x, y: line, text, kind });
    line += 13;
  };
  const wordy = pitch >= 48;
  if (step.dropped > 0) {
    add('change', `\u2212${count(step.dropped)}`);
    if (wordy) add('words', 'dropped');
  }
  if (step.mergedAway > 0) add('merged', wordy ? `${count(step.mergedAway)} merged` : count(step.mergedAway));
  if (step.rescued > 0) add('rescued', wordy ? `${count(step.rescued)} rescued` : count(step.rescued));
}
