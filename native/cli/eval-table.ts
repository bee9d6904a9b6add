/** A finished evaluation as the terminal shows it. */
import type { EvaluationEnd } from '../evaluation/evaluate.ts';
import type { ConditionSummary, GroupResult } from '../../trace/evaluation/summary.ts';
import { displayWidth, printable, type TextStyle, wrapText } from './terminal.ts';

/** More are in the summary files. */
const mostProblems = 10;

export function renderEvaluation(end: EvaluationEnd, style: TextStyle, columns: number): string {
  const { evaluation, summary } = end;
  const { set, model, engine } = evaluation.metadata;
  const title = `${printable(set.name)}: ${end.questions} questions, ${printable(model.name)}`;
  const groups = summary.groups.filter(({ isKind }) => !isKind);
  const tables = groups.map(({ id, title: name, questions }) => [
    style.bold(`${name[0]!.toUpperCase()}${name.slice(1)} (${questions.length})`),
    ...table(summary.conditions, id, style),
  ]);
  const jobs = engine.jobs > 1 ? ` ${engine.jobs} runs went on at the same time and slowed each other down.` : '';
  const note =
    `Accuracy: exact match, 95 % interval (Wilson). Against no pruning: percentage points on the same questions, 95 % ` +
    `interval (Newcombe, paired), and McNemar's exact p. E in: visual tokens entering a decoder layer in prefill, mean. ` +
    `Times: medians.${jobs}`;
  const state =
    end.state === 'cancelled'
      ? [style.yellow(`Cancelled after ${end.done} of ${end.total} runs. The same command goes on from there.`)]
      : [];
  const anew = end.startedAnew
    ? [
        style.yellow(
          `Started anew, since ${end.startedAnew.changed.join(', ') || 'the file'} changed. Earlier results: ${end.startedAnew.movedTo}`,
        ),
      ]
    : [];
  return `${[
    '',
    style.bold(title),
    ...anew,
    ...state,
    ...tables.flatMap(lines => ['', ...lines]),
    '',
    ...wrapText(note, columns).map(style.dim),
    ...problems(end, style),
    '',
    ...end.files.map(printable),
  ].join('\n')}\n`;
}

function problems({ problems: found }: EvaluationEnd, style: TextStyle): string[] {
  if (found.length === 0) return [];
  const lines = found
    .slice(0, mostProblems)
    .map(({ line, message, condition }) =>
      printable(`  line ${line}${condition === undefined ? '' : `, ${condition}`}: ${message}`),
    );
  const more = found.length > mostProblems ? [`  and ${found.length - mostProblems} more, in summary.json`] : [];
  return ['', style.yellow(`${found.length} could not be asked:`), ...lines, ...more];
}

const titles = ['', 'accuracy', '95 %', 'vs none', '95 %', 'p', 'E in', 'GMAC', 'KV MB', 'prefill', 'total'];

function table(conditions: readonly ConditionSummary[], group: string, style: TextStyle): string[] {
  const rows = conditions.map(({ condition, groups }) => [printable(condition.id), ...cells(groups[group]!)]);
  const widths = titles.map((title, column) =>
    Math.max(displayWidth(title), ...rows.map(row => displayWidth(row[column]!))),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => {
        const space = ' '.repeat(widths[column]! - displayWidth(cell));
        return column === 0 ? cell + space : space + cell;
      })
      .join('  ');
  return [style.dim(line(titles)), ...rows.map(line)];
}

function cells({ answered, accuracy, interval, paired, entering, macs, kvBytes, ms }: GroupResult): string[] {
  if (answered === 0) return titles.slice(1).map(() => '–');
  const percent = (value: number): string => (100 * value).toFixed(1);
  const points = (value: number): string => `${value < 0 ? '−' : '+'}${percent(Math.abs(value))}`;
  return [
    percent(accuracy),
    interval.map(percent).join('–'),
    paired && paired.pairs > 0 ? points(paired.difference) : '',
    paired && paired.pairs > 0 ? paired.interval.map(points).join(' to ') : '',
    paired && paired.pairs > 0 ? probability(paired.probability) : '',
    entering.toFixed(0),
    ((macs.prefill + macs.decode) / 1e9).toFixed(2),
    (kvBytes / 1e6).toFixed(1),
    `${ms.prefill.toFixed(0)} ms`,
    `${ms.total.toFixed(0)} ms`,
  ];
}

const probability = (value: number): string => (value < 0.001 ? '<0.001' : value.toFixed(3));
