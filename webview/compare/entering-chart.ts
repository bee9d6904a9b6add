import { scaleLinear, select } from 'd3';
import { tableColumn, type ChartTables, type TableData } from '../charts.ts';
import { element, setText } from '../element.ts';
import { count, duration } from '../format.ts';
import { bytes, macs } from '../pruning/quantities.ts';
import type { Layout } from '../layout.ts';
import { prefillMacs } from '../../trace/costs.ts';
import { formula, layerCounts } from './costs.ts';
import type { PairScene, Side } from './pair-scene.ts';

const height = 74;
const top = 16;
const svgNamespace = 'http://www.w3.org/2000/svg';

interface Bar {
  readonly letter: 'a' | 'b';
  readonly layer: number;
  readonly tokens: number;
}

/** Visual tokens that enter each decoder layer in A and in B, in the columns of the layers. */
export class EnteringChart {
  readonly element: HTMLElement;
  private readonly body = document.createElementNS(svgNamespace, 'svg');
  private readonly note = element('small');
  private scene: PairScene | null = null;

  constructor(tables: ChartTables) {
    this.body.setAttribute('role', 'img');
    this.body.setAttribute('tabindex', '0');
    this.body.setAttribute('data-testid', 'compare-entering');
    this.body.classList.add('compare-entering');
    const definitions = select(this.body).append('defs');
    for (const [letter, path] of [
      ['a', 'M0 5L5 0'],
      ['b', 'M0 0L5 5'],
    ] as const)
      definitions
        .append('pattern')
        .attr('id', `compare-hatch-${letter}`)
        .attr('width', 5)
        .attr('height', 5)
        .attr('patternUnits', 'userSpaceOnUse')
        .append('path')
        .attr('class', `hatch-${letter}`)
        .attr('d', path);
    this.element = element(
      'div',
      { class: 'compare-chart' },
      element('div', { class: 'chart-title' }, element('h2', {}, 'Visual tokens entering each layer'), this.note),
      this.body,
    );
    tables.add(this.element, this.body, () => this.table());
  }

  draw(scene: PairScene, layout: Layout): void {
    this.scene = scene;
    const { a, b, base } = scene;
    const full = Math.max(a.run.metadata.visual.count, b.run.metadata.visual.count);
    const { columns, gutter } = layout;
    const sides = [
      ['a', a],
      ['b', b],
    ] as const;
    const bars = sides.flatMap(([letter, { run }]) =>
      (layerCounts(run.metadata) ?? [])
        .slice(columns.first, columns.first + columns.count)
        .map(({ entering }, i): Bar => ({ letter, layer: columns.first + i, tokens: entering })),
    );
    setText(this.note, `line: all ${count(full)} · ${meanWords(a)}, ${meanWords(b)}`);
    const y = scaleLinear([0, full], [0, height]);
    const room = columns.pitch - Math.max(4, columns.pitch * 0.32);
    const width = Math.max(2, Math.min(22, room / 2 - 1));
    const x = ({ layer, letter }: Bar): number =>
      gutter + (layer - columns.first) * columns.pitch + (letter === 'b' ? width + 2 : 0);
    const svg = select(this.body)
      .attr('width', layout.canvasWidth)
      .attr('height', top + height + 2);
    svg
      .selectAll('line.full')
      .data([null])
      .join('line')
      .attr('class', 'full')
      .attr('x1', gutter)
      .attr('x2', gutter + columns.count * columns.pitch)
      .attr('y1', top)
      .attr('y2', top);
    svg
      .selectAll<SVGRectElement, Bar>('rect.bar')
      .data(bars, bar => `${bar.letter} ${bar.layer}`)
      .join('rect')
      .attr('class', bar => `bar bar-${bar.letter}`)
      .attr('data-tokens', bar => bar.tokens)
      .classed('chosen', bar => base.focus.tower === 'decoder' && bar.layer === base.focus.layers.last)
      .attr('x', x)
      .attr('width', width)
      .attr('y', bar => top + height - y(bar.tokens))
      .attr('height', bar => y(bar.tokens));
    const roomy = width >= 18;
    svg
      .selectAll<SVGTextElement, Bar>('text')
      .data(roomy ? bars : [], bar => `${bar.letter} ${bar.layer}`)
      .join('text')
      .attr('text-anchor', 'middle')
      .attr('x', bar => x(bar) + width / 2)
      .attr('y', bar => top + height - y(bar.tokens) - 4)
      .text(bar => count(bar.tokens));
    this.body.setAttribute(
      'aria-label',
      `Visual tokens entering each decoder layer, of ${full}: A ${spoken(a)}; B ${spoken(b)}`,
    );
  }

  private table(): TableData {
    const { scene } = this;
    const numbers = ['entering', 'leaving', `MACs (${formula})`, 'KV, allocated', 'prefill'];
    const columns = [
      tableColumn('layer', false),
      ...['A', 'B'].flatMap(letter => numbers.map(title => tableColumn(`${letter} ${title}`))),
    ];
    if (!scene) return { caption: 'Layers', columns, rows: [] };
    const cells = ({ run: { metadata } }: Side, layer: number): string[] => {
      const counts = layerCounts(metadata)?.[layer];
      const account = metadata.reduction?.layers[layer];
      const { hiddenSize, intermediateSize } = metadata.model.decoder;
      return [
        counts ? String(counts.entering) : '',
        counts ? String(counts.leaving) : '',
        counts && intermediateSize !== undefined
          ? macs(prefillMacs(formula, counts.sequence, { hiddenSize, intermediateSize }))
          : '',
        account ? bytes(account.cacheBytes) : '',
        account ? duration(account.prefillMs) : '',
      ];
    };
    return {
      caption: 'Visual tokens, multiply-accumulates, cache and measured time per decoder layer',
      columns,
      rows: scene.layers.map((_, layer) => [`D${layer}`, ...cells(scene.a, layer), ...cells(scene.b, layer)]),
    };
  }
}

function meanWords({ letter, run }: Side): string {
  const layers = layerCounts(run.metadata);
  if (!layers) return `${letter} not recorded`;
  return `${letter} mean ${(layers.reduce((sum, { entering }) => sum + entering, 0) / Math.max(1, layers.length)).toFixed(1)}`;
}

function spoken({ run }: Side): string {
  const layers = layerCounts(run.metadata);
  return layers ? layers.map(({ entering }) => entering).join(', ') : 'not recorded';
}
