import { macFormulaText } from '../../trace/costs.ts';
import { crossAttentionImages } from '../../trace/cross-attention-costs.ts';
import { crossComparison } from '../../trace/cross-attention-comparison.ts';
import { crossTokens } from '../../trace/cross-attention.ts';
import type { ResolutionCosts } from '../../trace/high-resolution-costs.ts';
import { stepCount } from '../../trace/high-resolution.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { tableColumn, tableElement, type TableData } from '../charts.ts';
import { crossTitle } from '../cross-attention/words.ts';
import { element, setText } from '../element.ts';
import { count, duration, share } from '../format.ts';
import { bytes, macs } from '../pruning/quantities.ts';
import type { Scene } from '../scene.ts';

const formula = 'F3';

/** What reading through cross-attention costs beside other ways, by formula, and what of it was measured. */
export class CrossCosts {
  readonly element: HTMLElement;
  readonly body = element('div', {
    class: 'resolution-costs',
    role: 'group',
    tabindex: 0,
    'aria-label': 'Cost of cross-attention',
    'data-testid': 'cross-costs',
  });
  private readonly note = element('p', { class: 'small dim', 'data-testid': 'cross-costs-note' });
  private run: RunMetadata | null = null;

  constructor() {
    this.element = element(
      'div',
      { class: 'costs-chart' },
      element('div', { class: 'chart-title' }, element('h2', {}, 'Cost of cross-attention')),
      this.body,
      this.note,
    );
  }

  draw({ metadata }: Scene): void {
    if (this.run?.id === metadata.id) return;
    this.run = metadata;
    const table = tableElement(this.table());
    table.removeAttribute('tabindex');
    table.removeAttribute('data-testid');
    this.body.replaceChildren(table);
    setText(this.note, noteWords(metadata));
  }

  table(): TableData {
    const columns = [
      tableColumn('way', false),
      ...['prefill', 'of all in the sequence', 'a decode step'].map(title => tableColumn(title)),
      tableColumn('measured in this run', false),
    ];
    const compared = this.run && crossComparison(formula, this.run);
    const caption = `Cost of cross-attention, decoder MACs by ${formula}`;
    if (!this.run || !compared) return { caption, columns, rows: [] };
    const row = (way: string, costs: ResolutionCosts, said: string): readonly string[] => [
      way,
      macs(costs.prefill),
      share(costs.prefill / compared.inSequence.prefill),
      macs(costs.step),
      said,
    ];
    const frames = this.run.crossAttention?.input === 'frames';
    const all = frames ? 'all frames in the sequence' : 'LLaVA-HD: all tokens in the sequence';
    return {
      caption,
      columns,
      rows: [
        row(frames ? 'first frame only' : 'low resolution only', compared.low, '–'),
        row(`${crossTitle(this.run) ?? ''}, these weights`, compared.asRun, measured(this.run)),
        row('LLaVA-XAttn by formula, every row reads', compared.everyRow, 'not run here'),
        row(all, compared.inSequence, 'not run here'),
      ],
    };
  }
}

function measured(run: RunMetadata): string {
  const { ms, crossAttention } = run;
  if (!crossAttention) return '';
  const { encode, project, read } = crossAttention.ms;
  const steps = Math.max(1, stepCount(run) - 1);
  return [
    `prefill ${duration(ms.prefill)}`,
    `a step ${duration(ms.decode / steps)}`,
    `${crossAttention.input === 'frames' ? 'frames' : 'tiles'} ${duration(encode)}`,
    `keys and values ${duration(project)} once`,
    `reading ${duration(read)} in all`,
  ].join(', ');
}

function noteWords(run: RunMetadata): string {
  const { model, crossAttention, promptTokens, visual } = run;
  const compared = crossComparison(formula, run);
  if (!crossAttention || !compared || model.decoder.intermediateSize === undefined)
    return 'The trace does not say how wide the MLPs are: MACs cannot be told.';
  const { layers, firstRow, cacheBytes } = crossAttention;
  return [
    `${formula} a layer: ${macFormulaText[formula]}, n tokens, d ${count(model.decoder.hiddenSize)}, m ${count(model.decoder.intermediateSize)}`,
    `${count(promptTokens + visual.count)} tokens of the prompt, of which ${count(promptTokens - firstRow)} read ${count(crossTokens(crossAttention))} keys before ${count(layers.length)} of ${count(model.decoder.layers)} layers`,
    `${count(crossAttentionImages(run))} images through the vision tower besides, ${macs(compared.vision)}, for each way but the first`,
    `kept keys and values: ${bytes(cacheBytes)}`,
    'to time a rival, run it and compare the two runs',
  ].join(' · ');
}
