import { macFormulas, macFormulaText, type MacFormula } from '../../trace/costs.ts';
import {
  complexityText,
  resolutionComparison,
  type ResolutionComparison,
  type ResolutionCosts as Costs,
} from '../../trace/high-resolution-costs.ts';
import { stepCount } from '../../trace/high-resolution.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { tableColumn, tableElement, type TableData } from '../charts.ts';
import { dropdown } from '../controls.ts';
import { element, setText } from '../element.ts';
import { count, duration, share } from '../format.ts';
import { detailTitle } from '../high-resolution/words.ts';
import { bytes, macs } from '../pruning/quantities.ts';
import type { Scene } from '../scene.ts';

const formulaChoices = macFormulas.map(formula => ({ value: formula, text: `${formula}: ${macFormulaText[formula]}` }));

/** What the run's way to high resolution costs beside others, by formula, and what of it was measured. */
export class ResolutionCosts {
  readonly element: HTMLElement;
  readonly body = element('div', {
    class: 'resolution-costs',
    role: 'group',
    tabindex: 0,
    'aria-label': 'Cost of high resolution',
    'data-testid': 'resolution-costs',
  });
  private readonly note = element('p', { class: 'small dim', 'data-testid': 'resolution-note' });
  private readonly formula;
  private chosen: MacFormula = 'F3';
  private metadata: RunMetadata | null = null;
  private drawn = '';

  constructor() {
    this.formula = dropdown('detail-formula', 'Formula of the multiply-accumulates', value => {
      this.chosen = value === 'F2' ? 'F2' : 'F3';
      this.show();
    });
    this.element = element(
      'div',
      { class: 'costs-chart' },
      element(
        'div',
        { class: 'chart-title' },
        element('h2', {}, 'Cost of high resolution'),
        element('span', { class: 'control' }, element('span', { class: 'dim small' }, 'MACs'), this.formula.element),
      ),
      this.body,
      this.note,
    );
  }

  draw({ metadata }: Scene): void {
    this.metadata = metadata;
    this.show();
  }

  table(): TableData {
    const columns = [
      tableColumn('way', false),
      tableColumn('attention of a layer', false),
      ...['prefill', 'of LLaVA-HD', 'a decode step'].map(title => tableColumn(title)),
      tableColumn('measured in this run', false),
    ];
    const run = this.metadata;
    const compared = run && comparison(run, this.chosen);
    if (!run || !compared) return { caption: 'Cost of high resolution', columns, rows: [] };
    return { caption: `Cost of high resolution, decoder MACs by ${this.chosen}`, columns, rows: rowsOf(run, compared) };
  }

  private show(): void {
    const run = this.metadata;
    this.formula.show(formulaChoices, this.chosen);
    const key = `${this.chosen} ${run?.id}`;
    if (!run || key === this.drawn) return;
    this.drawn = key;
    const table = tableElement(this.table());
    table.removeAttribute('tabindex');
    table.removeAttribute('data-testid');
    this.body.replaceChildren(table);
    setText(this.note, noteWords(run, this.chosen));
  }
}

function comparison(run: RunMetadata, formula: MacFormula): ResolutionComparison | undefined {
  const { highResolution } = run;
  return highResolution && resolutionComparison(formula, { ...run, highResolution });
}

function rowsOf(run: RunMetadata, compared: ResolutionComparison): (readonly string[])[] {
  const { ms, highResolution } = run;
  if (!highResolution) return [];
  const decodeSteps = Math.max(1, stepCount(run) - 1);
  const { encode, project, reprojectStep } = highResolution.ms;
  const name = detailTitle(run) ?? '';
  const kept = highResolution.cacheBytes > 0;
  const measured = [
    `prefill ${duration(ms.prefill)}`,
    `a step ${duration(ms.decode / decodeSteps)}`,
    `tiles ${duration(encode)}`,
    ...(project > 0 ? [`keys and values ${duration(project)} once`] : []),
  ].join(', ');
  const again = reprojectStep === undefined ? '–' : `projecting ${duration(reprojectStep)} more a step`;
  const row = (way: string, formula: string, costs: Costs, said: string): readonly string[] => [
    way,
    formula,
    macs(costs.prefill),
    share(costs.prefill / compared.llavaHd.prefill),
    macs(costs.step),
    said,
  ];
  const ways = [
    row('low resolution only', 'O(N² · D)', compared.lowResolution, '–'),
    row(
      `${name}, HR keys and values kept`,
      complexityText.flexAttention,
      compared.flexAttention,
      kept ? measured : '–',
    ),
    row(
      `${name}, projected at every step (official code)`,
      complexityText.flexAttention,
      compared.reprojecting,
      kept ? again : `${measured}, ${again}`,
    ),
    row('LLaVA-XAttn', 'O(N · H · D)', compared.crossAttention, 'not run here'),
    row('LLaVA-HD', complexityText.llavaHd, compared.llavaHd, 'not run here'),
  ];
  return ways;
}

function noteWords(run: RunMetadata, formula: MacFormula): string {
  const { highResolution, model, promptTokens, visual } = run;
  if (!highResolution) return '';
  const compared = comparison(run, formula);
  if (!compared || model.decoder.intermediateSize === undefined)
    return 'The trace does not say how wide the MLPs are: MACs cannot be told.';
  const { grid, meanSelected, attending, cacheBytes } = highResolution;
  return [
    `${formula} a layer: ${macFormulaText[formula]}, n tokens, d ${count(model.decoder.hiddenSize)}, m ${count(model.decoder.intermediateSize)}`,
    `N ${count(promptTokens + visual.count)} tokens of the prompt, M ${meanSelected.toFixed(0)} selected of H ${count(grid.rows * grid.columns)}, read in ${count(attending.length)} of ${count(model.decoder.layers)} layers`,
    `tiles through the vision tower ${macs(compared.tiles)} besides, for each way but the first`,
    'complexities: FlexAttention paper, section 3.3, where LLaVA-HD’s M is all of H; LLaVA-XAttn’s is ours, read in as many layers',
    ...(cacheBytes > 0 ? [`kept keys and values: ${bytes(cacheBytes)}`] : []),
    ...((run.reduction?.stages.length ?? 0) > 0 ? ['counted as if no visual token had been merged or dropped'] : []),
    'to time a rival, run it and compare the two runs',
  ].join(' · ');
}
