/** Bytes, formula, times and agreement of every run, as numbers. */
import type { TensorKind } from '../../trace/traffic/schedule.ts';
import { type TableData, tableColumn, tableElement } from '../charts.ts';
import { element } from '../element.ts';
import { count } from '../format.ts';
import { mean, scientific, seconds } from './quantity.ts';
import { byteMismatches, type RunTraffic } from './run-traffic.ts';
import type { Focus } from './traffic-state.ts';

const groups: readonly (readonly [name: string, kinds: readonly TensorKind[]])[] = [
  ['Q', ['Q']],
  ['O and L', ['O', 'L']],
  ['K and V', ['K', 'V']],
  ['dO and D', ['dO', 'D']],
  ['dQ', ['dQ']],
  ['dK and dV', ['dK', 'dV']],
];

export class RunTable {
  readonly body = element('div', { class: 'run-table', tabindex: 0, 'data-testid': 'run-table' });
  readonly element = element('section', { class: 'runs' }, this.body);
  private rows: TableData | undefined;

  draw(runs: readonly RunTraffic[], { rank }: Focus): void {
    const shown = groups.filter(([, kinds]) =>
      runs.some(({ run }) => kinds.some(kind => (run.bytes.sentByKind[kind]?.[rank] ?? 0) > 0)),
    );
    this.rows = {
      caption: `Bytes: rank ${rank}. Times: ${runs.some(({ run }) => run.links.simulated) ? 'measured, on simulated links; ' : 'measured; '}mean of the ranks, total of the run.`,
      columns: [
        tableColumn('run', false),
        ...shown.map(([name]) => tableColumn(`${name} sent, B`)),
        tableColumn('sent, B'),
        tableColumn('formula, B'),
        tableColumn('equals formula', false),
        tableColumn('time'),
        tableColumn('predicted time'),
        tableColumn('communicating'),
        tableColumn('hidden'),
        tableColumn('exposed'),
        tableColumn('stall'),
      ],
      rows: runs.map(each => {
        const { run, times, title, ranks } = each;
        const wrong = byteMismatches(run);
        const equal = ranks - wrong.length;
        const [communicating, exposed] = [mean(times.communication), mean(times.exposed)];
        return [
          title,
          ...shown.map(([, kinds]) =>
            count(kinds.reduce((sum, kind) => sum + (run.bytes.sentByKind[kind]?.[rank] ?? 0), 0)),
          ),
          count(run.bytes.sentPerRank[rank] ?? 0),
          count(run.bytes.expectedPerRank[rank] ?? 0),
          wrong.length === 0
            ? `✓ ${equal} of ${ranks} ranks`
            : run.status.state === 'partial'
              ? `${equal} of ${ranks} ranks when it broke off`
              : `✗ ${equal} of ${ranks} ranks`,
          run.status.state === 'partial' ? `${seconds(times.total)}, broke off` : seconds(times.total),
          run.predicted ? seconds(run.predicted.total) : '–',
          seconds(communicating),
          seconds(communicating - exposed),
          seconds(exposed),
          seconds(mean(times.stall)),
        ];
      }),
    };
    const table = tableElement(this.rows);
    table.removeAttribute('tabindex');
    table.dataset['testid'] = 'run-rows';
    const column = this.rows.columns.findIndex(({ title }) => title === 'equals formula');
    for (const row of table.querySelectorAll('tbody tr')) {
      const cell = row.children[column];
      cell?.classList.add(
        cell.textContent.startsWith('✓') ? 'passed' : cell.textContent.startsWith('✗') ? 'violated' : 'dim',
      );
    }
    this.body.replaceChildren(table);
  }

  data(): TableData {
    return this.rows!;
  }
}

/** How each run agrees with one device. */
export class AgreementTable {
  readonly body = element('div', { class: 'run-table', tabindex: 0, 'data-testid': 'agreement' });
  readonly element = element(
    'section',
    { class: 'detail agreement' },
    element('h2', {}, 'Agreement with one device'),
    this.body,
  );
  private rows: TableData | undefined;

  draw(runs: readonly RunTraffic[]): void {
    this.rows = {
      caption: [...new Set(runs.flatMap(({ run }) => run.agreement?.reference ?? []))].join('; ') || 'was not compared',
      columns: [
        tableColumn('run', false),
        tableColumn('largest difference'),
        tableColumn('relative (2-norm)'),
        tableColumn('allowed'),
        tableColumn('cosine'),
        tableColumn('worst block'),
      ],
      rows: runs.map(({ run, title, ledger }) => {
        const { agreement } = run;
        if (!agreement) return [title, '–', '–', '–', '–', 'not compared'];
        const final = ledger.agreement.filter(({ round }) => round === -1);
        const worst = final.reduce((best, each) => (each.relL2 > best.relL2 ? each : best), final[0]!);
        return [
          title,
          scientific(agreement.maxAbs),
          scientific(agreement.relL2),
          scientific(agreement.tolerance),
          agreement.cosine.toFixed(6),
          final.length > 0 ? `${worst.kind} of block ${worst.owner}` : '–',
        ];
      }),
    };
    const table = tableElement(this.rows);
    table.removeAttribute('tabindex');
    table.dataset['testid'] = 'agreement-rows';
    this.body.replaceChildren(table);
  }

  data(): TableData {
    return this.rows!;
  }
}
