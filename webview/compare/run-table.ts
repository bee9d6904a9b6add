import { tableColumn, type ChartTables, type TableData } from '../charts.ts';
import { element } from '../element.ts';
import { visibleToken, tokenProbability, probability } from '../format.ts';
import { costRows, formula } from './costs.ts';
import { macFormulaText } from '../../trace/costs.ts';
import type { ComparedRun } from './compared-run.ts';
import { differingParameters } from './differences.ts';
import type { PairScene } from './pair-scene.ts';

interface Line {
  readonly name: string;
  readonly note: string;
  readonly values: readonly string[];
}

/** All runs as columns: what they cost, and below, what was set differently. A and B come first. */
export class RunTable {
  readonly element: HTMLElement;
  private readonly table: HTMLTableElement;
  private drawn = '';
  private data: TableData = { caption: '', columns: [], rows: [] };

  constructor(
    private readonly kind: 'costs' | 'parameters',
    tables: ChartTables,
  ) {
    this.table = element('table', { 'data-testid': `compare-${kind}`, tabindex: 0 });
    this.element = element('div', { class: `compare-table compare-${kind}` }, this.table);
    tables.add(this.element, this.table, () => this.data);
  }

  draw(scene: PairScene): void {
    const order = orderOf(scene);
    const runs = order.map(index => scene.runs[index]!);
    const lines = this.lines(scene, runs);
    const heads = order.map((index, place) => (place < 2 ? `${place === 0 ? 'A' : 'B'} ` : '') + scene.names[index]!);
    const key = JSON.stringify([heads, lines]);
    if (key === this.drawn) return;
    this.drawn = key;
    const caption =
      this.kind === 'costs' ? `Costs · ${formula} = ${macFormulaText[formula]} MACs a layer` : 'Settings that differ';
    this.data = {
      caption,
      columns: [tableColumn('', false), ...heads.map(head => tableColumn(head, this.kind === 'costs'))],
      rows: lines.map(({ name, note, values }) => [note === '' ? name : `${name}, ${note}`, ...values]),
    };
    const head = heads.map((text, place) =>
      element(
        'th',
        { scope: 'col', class: place === 0 ? 'letter-a' : place === 1 ? 'letter-b' : undefined, title: text },
        text,
      ),
    );
    const body = lines.map(({ name, note, values }) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row' }, name, ' ', element('small', {}, note)),
        ...values.map(value => element('td', { title: value }, value)),
      ),
    );
    this.element.hidden = lines.length === 0;
    this.table.replaceChildren(
      element('caption', {}, caption),
      element('thead', {}, element('tr', {}, element('td'), ...head)),
      element('tbody', {}, ...body),
    );
  }

  private lines(scene: PairScene, runs: readonly ComparedRun[]): Line[] {
    const metadata = runs.map(run => run.metadata);
    if (this.kind === 'parameters') return differingParameters(metadata).map(row => ({ ...row, note: '' }));
    const rows: Line[] = costRows(metadata);
    // With two runs, the images and the strip tell the same.
    return runs.length > 2 ? [...focusLines(scene, runs), ...rows] : rows;
  }
}

/** Indices into `runs`: A, B, then the others. */
function orderOf({ runs, a, b }: PairScene): number[] {
  const [first, second] = [runs.indexOf(a.run), runs.indexOf(b.run)];
  return [first, second, ...runs.keys()].filter((index, place, all) => all.indexOf(index) === place);
}

/** The token and the patch in focus, in every run. */
function focusLines(scene: PairScene, runs: readonly ComparedRun[]): Line[] {
  const { a, b, patch, pairs, pair, moment, base } = scene;
  const index = pairs[pair]?.first ?? pairs[pair]?.second;
  const token = (run: ComparedRun): string => {
    const { tokens, promptTokens } = run.metadata;
    const at =
      run === a.run ? a.token : run === b.run ? b.token : index === undefined ? undefined : promptTokens + index;
    const found = at === undefined ? undefined : tokens[at];
    if (!found) return '–';
    const p = found.logprob === undefined ? '' : ` ${tokenProbability(Math.exp(found.logprob))}`;
    return `“${visibleToken(found.text)}”${p}`;
  };
  const where = (run: ComparedRun): string => {
    const { grid } = run.metadata.visual;
    const own = base.geometry;
    if (patch === null || grid.rows !== own.rows || grid.columns !== own.columns) return '–';
    if (scene.shown === 'attention') {
      const at = run === a.run ? a.map : run === b.run ? b.map : null;
      return at ? probability(at.values[patch] ?? 0) : '–';
    }
    const state = run.state(moment);
    if (!state || state instanceof Promise) return '–';
    return state.kept[patch] ? (state.groupSize[patch]! > 1 ? 'merged' : 'kept') : 'dropped';
  };
  const { columns } = base.geometry;
  const place = patch === null ? 'none' : `row ${Math.floor(patch / columns)}, column ${patch % columns}`;
  return [
    { name: 'token', note: index === undefined ? '' : `place ${index} of the answer`, values: runs.map(token) },
    { name: 'patch', note: place, values: runs.map(where) },
  ];
}
