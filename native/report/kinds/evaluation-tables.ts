/** Tables of an evaluation's report. */
import { type Evaluation, unprunedId } from '../../../trace/evaluation/evaluation.ts';
import type {
  ConditionSummary,
  EvaluationSummary,
  GroupResult,
  QuestionGroup,
} from '../../../trace/evaluation/summary.ts';
import { type Cell, quoted, type Section, type Table, type TableColumn, type TableRow } from '../document.ts';
import { count } from '../numbers.ts';

/** A number that is not there. */
const none = '–';

const percentage = (share: number): string => (Number.isFinite(share) ? (100 * share).toFixed(1) : none);

function signed(share: number): string {
  const text = (100 * Math.abs(share)).toFixed(1);
  return `${share < 0 && text !== '0.0' ? '−' : '+'}${text}`;
}

const pText = (probability: number): string => (probability < 0.001 ? '< 0.001' : probability.toFixed(3));

const right = (title: string): TableColumn => ({ title, align: 'right' });

/** What every condition costs and what it gets right, for one group of questions. */
export function costTable({ conditions }: EvaluationSummary, group: string): Table {
  return {
    columns: [
      { title: 'method', align: 'left' },
      ...[
        'budget',
        'right',
        '% (95 %)',
        'vs none (95 %)',
        'p',
        'E_in',
        'E_out',
        'GMAC',
        'KV MB',
        'prefill',
        'in all',
      ].map(right),
    ],
    rows: conditions.map(({ condition, groups }) => ({
      chosen: condition.id === unprunedId,
      cells: [
        quoted(condition.title),
        condition.budget === undefined ? '' : count(condition.budget),
        ...costCells(groups[group]!),
      ],
    })),
  };
}

function costCells(result: GroupResult): (Cell | string)[] {
  const { answered, correct, accuracy, interval, paired, entering, leaving, macs, kvBytes, ms } = result;
  if (answered === 0) return Array.from({ length: 10 }, () => none);
  const compared =
    paired && paired.pairs > 0
      ? [
          {
            words: `${signed(paired.difference)} (${paired.interval.map(signed).join(' to ')})`,
            strong: paired.interval[0] > 0 || paired.interval[1] < 0,
          },
          pText(paired.probability),
        ]
      : ['', ''];
  return [
    `${count(correct)} of ${count(answered)}`,
    `${percentage(accuracy)} (${interval.map(percentage).join(' to ')})`,
    ...compared,
    entering.toFixed(1),
    leaving.toFixed(1),
    ((macs.prefill + macs.decode) / 1e9).toFixed(2),
    (kvBytes / 1e6).toFixed(1),
    `${ms.prefill.toFixed(0)} ms`,
    `${ms.total.toFixed(0)} ms`,
  ];
}

/** Accuracy by kind of question, a table for each budget. */
export function kindSections({ groups, conditions }: EvaluationSummary): Section[] {
  const budgets = [...new Set(conditions.map(({ condition }) => condition.budget ?? 0))].filter(budget => budget > 0);
  const kinds = groups.filter(({ id, isKind }) => isKind || id === 'small-text');
  if (kinds.length === 0) return [];
  const shown = budgets.length > 0 ? budgets.sort((a, b) => b - a) : [undefined];
  return shown.map(budget => ({
    title: budget === undefined ? 'Kinds of questions' : `Kinds of questions at ${count(budget)} tokens`,
    note: 'Percent of right answers. Bold where the paired 95 % interval of the difference to no pruning leaves out 0.',
    tables: [
      kindTable(
        kinds,
        conditions.filter(({ condition }) => condition.budget === undefined || condition.budget === budget),
      ),
    ],
  }));
}

function kindTable(kinds: readonly QuestionGroup[], conditions: readonly ConditionSummary[]): Table {
  return {
    columns: [
      { title: 'kind', align: 'left' },
      right('questions'),
      ...conditions.map(({ condition }) => ({ title: quoted(condition.title), align: 'right' }) as const),
    ],
    rows: kinds.map(({ id, title, questions }) => ({
      cells: [quoted(title), count(questions.length), ...conditions.map(({ groups }) => kindCell(groups[id]!))],
    })),
  };
}

function kindCell({ accuracy, paired }: GroupResult): Cell {
  const sure = paired !== undefined && (paired.interval[0] > 0 || paired.interval[1] < 0);
  return { words: percentage(accuracy), strong: sure };
}

const mostLost = 20;

/** Questions that no pruning answers and most conditions do not. */
export function lostSection({ metadata, questions, outcomes }: Evaluation): Section[] {
  const reference = outcomes[metadata.conditions.findIndex(({ id }) => id === unprunedId)];
  if (!reference) return [];
  const lost = questions
    .map((question, index) => {
      const others = outcomes.flatMap(row => (row === reference ? [] : (row[index] ?? [])));
      return { question, index, asked: others.length, wrong: others.filter(({ correct }) => !correct).length };
    })
    .filter(({ index, wrong }) => reference[index]?.correct === true && wrong > 0)
    .sort((a, b) => b.wrong - a.wrong || a.index - b.index);
  if (lost.length === 0) return [];
  const rows = lost.slice(0, mostLost).map(({ question, asked, wrong }): TableRow => ({
    cells: [
      quoted(question.kind.replaceAll('_', ' ')),
      quoted(question.question),
      quoted(question.answers[0]!),
      quoted(question.image),
      `${count(wrong)} of ${count(asked)}`,
    ],
  }));
  return [
    {
      title: 'What pruning loses',
      note: `${count(lost.length)} questions are answered without pruning and missed by at least one condition; these ${count(rows.length)} by most.`,
      tables: [
        {
          columns: [
            { title: 'kind', align: 'left' },
            { title: 'question', align: 'left' },
            { title: 'answer', align: 'left' },
            { title: 'image', align: 'left' },
            right('missed by'),
          ],
          rows,
        },
      ],
    },
  ];
}
