import { range, select } from 'd3';
import { macFormulas, macFormulaText, type MacFormula } from '../../trace/costs.ts';
import { meanEntering, meanLeaving, type LayerAccount, type TokenReduction } from '../../trace/fates.ts';
import { readingMacs } from '../../trace/high-resolution-costs.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { tableColumn, type TableData } from '../charts.ts';
import { dropdown, linkButton } from '../controls.ts';
import { element } from '../element.ts';
import { count, duration } from '../format.ts';
import {
  cacheCosts,
  decodeCosts,
  elementBytes,
  layerSize,
  positionSkew,
  prefillCosts,
  sum,
  type LayerCost,
} from '../pruning/costs.ts';
import { bytes, byteUnit, figures, macs, macUnit } from '../pruning/quantities.ts';
import type { Scene } from '../scene.ts';
import { hatchPattern, svgElement } from '../svg.ts';

const barHeight = 22;
const rowHeight = 44;

/** One small chart: a bar per layer in a frame that stands for the full model or for the largest. */
interface CostRow {
  readonly id: string;
  readonly title: string;
  /** Totals, means and formula, at the right: as many of them, in this order, as there is room for. */
  readonly notes: readonly string[];
  readonly more: boolean;
  readonly bars: readonly {
    /** Height of the bar, and of a second line across it, as a share of the frame. */
    readonly share: number;
    readonly line?: number;
    readonly text: string;
    readonly strong?: boolean;
    readonly hatched?: boolean;
    /** For the table. */
    readonly told: string;
  }[];
}

const formulaChoices = macFormulas.map(formula => ({ value: formula, text: `${formula}: ${macFormulaText[formula]}` }));

/** What every decoder layer had to do, beside the full model, in the columns of the layers. */
export class LayerCosts {
  readonly element: HTMLElement;
  readonly body = svgElement('svg', { class: 'layer-costs', role: 'img', tabindex: 0, 'data-testid': 'layer-costs' });
  /** In narrow windows: the chosen layer in words. */
  private readonly oneLayer = element('dl', { class: 'one-layer-costs small', 'data-testid': 'one-layer-costs' });
  private readonly formula;
  private readonly more: HTMLButtonElement;
  private chosenFormula: MacFormula = 'F3';
  private showsMore = false;
  private scene: Scene | null = null;
  private rows: readonly CostRow[] = [];
  private rowsFormula: MacFormula | null = null;

  constructor() {
    this.formula = dropdown('mac-formula', 'Formula of the multiply-accumulates', value => {
      this.chosenFormula = value === 'F2' ? 'F2' : 'F3';
      this.again();
    });
    this.more = linkButton('more-costs', '', () => {
      this.showsMore = !this.showsMore;
      this.again();
    });
    const defs = svgElement('defs');
    defs.append(hatchPattern('cost-hatch', 4));
    this.body.append(defs);
    this.element = element(
      'div',
      { class: 'costs-chart' },
      element(
        'div',
        { class: 'chart-title' },
        element('h2', {}, 'Cost by layer'),
        element('span', { class: 'control' }, element('span', { class: 'dim small' }, 'MACs'), this.formula.element),
        this.more,
      ),
      this.body,
      this.oneLayer,
    );
  }

  draw(scene: Scene): void {
    this.scene = scene;
    const { metadata } = scene;
    const { reduction } = metadata;
    if (!reduction) return;
    if (this.chosenFormula !== this.rowsFormula) {
      this.rowsFormula = this.chosenFormula;
      this.rows = costRows(metadata, reduction, this.chosenFormula);
    }
    this.formula.show(formulaChoices, this.chosenFormula);
    const wide = scene.layout.mode === 'wide';
    const what = wide ? 'positions, attention read, time' : 'more';
    this.more.textContent = this.showsMore ? `Hide ${what}` : `Show ${what}`;
    this.more.title = 'Position ids, layers whose attention was read, prefill time';
    this.more.setAttribute('aria-expanded', String(this.showsMore));
    const narrow = scene.layout.mode === 'narrow';
    const rows = this.rows.filter(row => this.showsMore || !row.more);
    this.body.classList.toggle('unused', narrow);
    this.oneLayer.hidden = !narrow;
    if (narrow) this.drawOneLayer(scene, rows);
    else this.drawRows(scene, rows);
  }

  table(): TableData {
    const columns = [tableColumn('layer', false), ...this.rows.map(row => tableColumn(row.title))];
    const layers = this.rows[0]?.bars.length ?? 0;
    return {
      caption: this.rows.map(row => `${row.title}: ${row.notes.join(', ')}`).join(' · '),
      columns,
      rows: range(layers).map(layer => [`D${layer}`, ...this.rows.map(row => row.bars[layer]?.told ?? '')]),
    };
  }

  private drawOneLayer({ focus }: Scene, rows: readonly CostRow[]): void {
    const { last } = focus.layers;
    const lines = rows.map(({ title, bars, notes }) => [
      element('dt', {}, title),
      element('dd', {}, element('b', {}, `D${last}: ${bars[last]?.told ?? '–'}`), ` · ${notes.join(' · ')}`),
    ]);
    this.oneLayer.replaceChildren(...lines.flat());
  }

  private again(): void {
    if (this.scene) this.draw(this.scene);
  }

  private drawRows(scene: Scene, rows: readonly CostRow[]): void {
    const { layout, focus } = scene;
    const { columns, gutter, canvasWidth } = layout;
    const { first, count: inSight, pitch } = columns;
    const beside = pitch >= 46;
    const width = pitch >= 76 ? 46 : beside ? pitch - 30 : Math.max(3, pitch - 3);
    const chosen = (layer: number): boolean =>
      focus.tower === 'decoder' && layer >= focus.layers.first && layer <= focus.layers.last;
    const inSightAt = (layer: number): boolean => layer >= first && layer < first + inSight;
    const reach = numberEvery(pitch) - 1;
    const near = (layer: number): boolean =>
      range(layer - reach, layer + reach + 1).some(other => other !== layer && chosen(other));
    const svg = select(this.body as SVGElement)
      .attr('width', canvasWidth)
      .attr('height', rows.length * rowHeight);
    const groups = svg
      .selectAll<SVGGElement, CostRow>('g.cost-row')
      .data(rows, row => row.id)
      .join('g')
      .attr('class', row => `cost-row cost-${row.id}`)
      .attr('transform', (_, i) => `translate(0, ${i * rowHeight})`);
    const text = (name: string, x: number, anchor: string, words: (row: CostRow) => string): void => {
      groups
        .selectAll<SVGTextElement, CostRow>(`text.${name}`)
        .data(row => [row])
        .join('text')
        .attr('class', name)
        .attr('x', x)
        .attr('y', 11)
        .attr('text-anchor', anchor)
        .text(words);
    };
    text('title', gutter, 'start', row => row.title);
    const end = gutter + (inSight - 1) * pitch + Math.max(width, pitch - 4);
    text('total', end, 'end', row => fitting(row, end - gutter));
    const cells = groups
      .selectAll<SVGGElement, CostRow['bars'][number]>('g.cost')
      .data(row => row.bars.slice(first, first + inSight))
      .join('g')
      .attr('class', 'cost')
      .classed('chosen', (_, i) => chosen(first + i))
      .attr('transform', (_, i) => `translate(${gutter + i * pitch}, 16)`);
    type Bar = CostRow['bars'][number];
    const rect = (name: string, size: (bar: Bar) => number, shown: (bar: Bar) => boolean): void => {
      cells
        .selectAll<SVGRectElement, Bar>(`rect.${name}`)
        .data(bar => (shown(bar) ? [bar] : []))
        .join('rect')
        .attr('class', bar => `${name}${name === 'value' && bar.hatched ? ' hatched' : ''}`)
        .attr('width', width)
        .attr('y', bar => barHeight * (1 - size(bar)))
        .attr('height', bar => barHeight * size(bar));
    };
    rect(
      'frame',
      () => 1,
      () => true,
    );
    rect(
      'value',
      bar => Math.min(1, Math.max(0, bar.share)),
      () => true,
    );
    cells
      .selectAll<SVGLineElement, Bar>('line.second')
      .data(bar => (bar.line === undefined ? [] : [bar]))
      .join('line')
      .attr('class', 'second')
      .attr('x1', 0)
      .attr('x2', width)
      .attr('y1', bar => barHeight * (1 - bar.line!))
      .attr('y2', bar => barHeight * (1 - bar.line!));
    const written = (layer: number): boolean =>
      beside || chosen(layer) || ((layer - first) % numberEvery(pitch) === 0 && !near(layer));
    groups
      .selectAll<SVGTextElement, readonly [number, Bar]>('text.number')
      .data(row =>
        row.bars.flatMap((bar, layer) => (inSightAt(layer) && written(layer) ? [[layer, bar] as const] : [])),
      )
      .join('text')
      .attr('class', ([, bar]) => `number${bar.strong ? ' strong' : ''}`)
      .classed('chosen', ([layer]) => chosen(layer))
      .attr('x', ([layer]) => gutter + (layer - first) * pitch + (beside ? width + 4 : 1))
      .attr('y', 16 + (beside ? barHeight - 1 : barHeight - 7))
      .text(([, bar]) => bar.text)
      .raise();
    this.body.setAttribute('aria-label', rows.map(row => `${row.title}: ${row.notes.join(' · ')}`).join('; '));
  }
}

/** @param room CSS pixels for title and notes */
function fitting({ title, notes }: CostRow, room: number): string {
  const characters = room / 6.2 - title.length - 3;
  let shown = notes.length;
  while (shown > 1 && notes.slice(0, shown).join(' · ').length > characters) shown--;
  return notes.slice(0, shown).join(' · ');
}

/** Where bars are too close for their numbers, every how many layers one is written over them. */
const numberEvery = (pitch: number): number => Math.max(1, Math.ceil(40 / pitch));

function costRows(metadata: RunMetadata, reduction: TokenReduction, formula: MacFormula): readonly CostRow[] {
  return [
    tokenRow(reduction),
    macRow(metadata, reduction, formula),
    cacheRow(metadata, reduction),
    positionRow(reduction),
    readRow(reduction),
    timeRow(reduction),
  ];
}

function tokenRow({ layers, visualTokens }: TokenReduction): CostRow {
  const share = (tokens: number): number => tokens / Math.max(1, visualTokens);
  return {
    id: 'tokens',
    title: 'visual tokens entering (bar), leaving (line)',
    notes: [
      `E_in ${meanEntering(layers).toFixed(1)}`,
      `E_out ${meanLeaving(layers).toFixed(1)}`,
      `full model and frame ${count(visualTokens)}`,
    ],
    more: false,
    bars: layers.map(({ entering, leaving }) => ({
      share: share(entering),
      ...(leaving === entering ? {} : { line: share(leaving) }),
      text: count(entering),
      told: entering === leaving ? count(entering) : `${count(entering)} → ${count(leaving)}`,
    })),
  };
}

function costBars(costs: readonly LayerCost[], size: number): CostRow['bars'] {
  const largest = Math.max(1, ...costs.map(({ full }) => full));
  return costs.map(({ value }) => ({
    share: value / largest,
    text: figures(value / size),
    told: figures(value / size),
  }));
}

function against({ value, full }: LayerCost): string {
  return full === 0 ? '' : ` (${((100 * value) / full).toFixed(0)}\u2009%)`;
}

function macRow(metadata: RunMetadata, reduction: TokenReduction, formula: MacFormula): CostRow {
  const size = layerSize(metadata);
  const id = 'macs';
  if (!size)
    return {
      id,
      title: 'prefill MACs',
      notes: ['not known: the run does not say the width of its MLP'],
      more: false,
      bars: [],
    };
  const prefill = prefillCosts(reduction, formula, size);
  const total = sum(prefill);
  const decode = sum(decodeCosts(reduction, formula, size));
  const unit = macUnit(Math.max(...prefill.map(({ full }) => full)));
  const steps = reduction.decodeSteps;
  const reading = readingMacs(metadata);
  const read =
    (metadata.highResolution ?? metadata.crossAttention)
      ? [
          `${metadata.crossAttention ? 'cross-attention' : 'high-resolution tokens'}, not drawn: ${macs(reading.prefill)} in prefill, ${macs(reading.decode)} in decode`,
        ]
      : [];
  const decoded = steps > 0 ? [`decode, ${count(steps)} steps: ${macs(decode.value)} of ${macs(decode.full)}`] : [];
  return {
    id,
    title: `prefill ${unit.name}, ${formula}`,
    notes: [
      `total ${macs(total.value)} of ${macs(total.full)}${against(total)}`,
      ...decoded,
      ...read,
      'frame: full model',
    ],
    more: false,
    bars: costBars(prefill, unit.size),
  };
}

function cacheRow(metadata: RunMetadata, reduction: TokenReduction): CostRow {
  const costs = cacheCosts(reduction, metadata);
  const total = sum(costs);
  const unit = byteUnit(Math.max(...costs.map(({ full }) => full)));
  const dtype = elementBytes(metadata.engine.arithmetic) === 2 ? '16 bit' : 'float32';
  return {
    id: 'cache',
    title: `KV cache ${unit.name}, ${dtype}, as allocated`,
    notes: [`total ${bytes(total.value)} of ${bytes(total.full)}${against(total)}`, 'frame: full model'],
    more: false,
    bars: costBars(costs, unit.size),
  };
}

function positionRow({ layers, decodePositions }: TokenReduction): CostRow {
  const largest = Math.max(1, ...layers.map(layer => Math.max(layer.lastKeyPosition, layer.queryPosition ?? 0)));
  const skewed = layers.filter(layer => (positionSkew(layer) ?? 0) !== 0).length;
  const told = (layer: LayerAccount): string =>
    `key ${count(layer.lastKeyPosition)}, query ${layer.queryPosition === undefined ? '–' : count(layer.queryPosition)}`;
  return {
    id: 'positions',
    title: 'last key’s position (bar), first decode query’s (line), skew',
    notes: [
      skewed > 0 ? `skewed in ${count(skewed)} of ${count(layers.length)} layers` : 'no skew',
      decodePositions === 'cache-length' ? 'decode counts from the layer’s cache' : 'decode goes on counting',
    ],
    more: true,
    bars: layers.map(layer => {
      const skew = positionSkew(layer);
      return {
        share: layer.lastKeyPosition / largest,
        ...(layer.queryPosition === undefined ? {} : { line: layer.queryPosition / largest }),
        text: skew === undefined ? '–' : count(skew),
        strong: skew !== undefined && skew !== 0,
        told: `${told(layer)}, skew ${skew === undefined ? '–' : count(skew)}`,
      };
    }),
  };
}

function readRow({ layers }: TokenReduction): CostRow {
  const read = layers.filter(({ attentionRead }) => attentionRead).length;
  return {
    id: 'read',
    title: 'attention map read by the method (hatched)',
    notes: [`${count(read)} of ${count(layers.length)} layers`, 'no fused attention kernel there'],
    more: true,
    bars: layers.map(({ attentionRead }) => ({
      share: attentionRead ? 1 : 0,
      hatched: true,
      text: attentionRead ? 'read' : '',
      told: attentionRead ? 'read' : 'not read',
    })),
  };
}

function timeRow({ layers }: TokenReduction): CostRow {
  const largest = Math.max(1e-9, ...layers.map(({ prefillMs }) => prefillMs));
  const total = layers.reduce((all, { prefillMs }) => all + prefillMs, 0);
  return {
    id: 'time',
    title: 'prefill ms, wall clock, this trace’s recording included',
    notes: [`total ${duration(total)}`, 'frame: the slowest layer'],
    more: true,
    bars: layers.map(({ prefillMs }) => ({
      share: prefillMs / largest,
      text: figures(prefillMs),
      told: figures(prefillMs),
    })),
  };
}
