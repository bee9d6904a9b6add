/** summary.json and summary.csv: an evaluation's numbers by condition and group of questions. */
import type { EvaluationMetadata } from '../../trace/evaluation/evaluation.ts';
import type { ConditionSummary, EvaluationSummary, GroupResult } from '../../trace/evaluation/summary.ts';

export function summaryJson(metadata: EvaluationMetadata, summary: EvaluationSummary): string {
  const groups = summary.groups.map(({ id, title, questions }) => ({ id, title, questions: questions.length }));
  return `${JSON.stringify({ ...metadata, groups, results: summary.conditions }, undefined, 2)}\n`;
}

type Value = string | number | undefined;

/** Column title and value; times are medians, everything else means. */
const columns: readonly (readonly [title: string, value: (result: GroupResult) => Value])[] = [
  ['answered', ({ answered }) => answered],
  ['correct', ({ correct }) => correct],
  ['accuracy', ({ accuracy }) => accuracy],
  ['accuracy_low', ({ interval }) => interval[0]],
  ['accuracy_high', ({ interval }) => interval[1]],
  ['difference_to_no_pruning', ({ paired }) => paired?.difference],
  ['difference_low', ({ paired }) => paired?.interval[0]],
  ['difference_high', ({ paired }) => paired?.interval[1]],
  ['won', ({ paired }) => paired?.won],
  ['lost', ({ paired }) => paired?.lost],
  ['mcnemar_p', ({ paired }) => paired?.probability],
  ['tokens_entering', ({ entering }) => entering],
  ['tokens_leaving', ({ leaving }) => leaving],
  ['macs_prefill', ({ macs }) => macs.prefill],
  ['macs_decode', ({ macs }) => macs.decode],
  ['kv_bytes', ({ kvBytes }) => kvBytes],
  ['high_resolution_share', ({ highResolutionShare }) => highResolutionShare],
  ['ms_vision', ({ ms }) => ms.vision],
  ['ms_prefill', ({ ms }) => ms.prefill],
  ['ms_decode', ({ ms }) => ms.decode],
  ['ms_total', ({ ms }) => ms.total],
];

/** One line for each condition and group. */
export function summaryLines({ groups, conditions }: EvaluationSummary): (string | number)[][] {
  const head = ['condition', 'method', 'variant', 'budget', 'group', ...columns.map(([title]) => title)];
  const lines = conditions.flatMap(summary => groups.map(({ id }) => summaryLine(summary, id)));
  return [head, ...lines];
}

function summaryLine({ condition, groups }: ConditionSummary, group: string): (string | number)[] {
  const { id, method, variant = '', budget = '' } = condition;
  return [id, method, variant, budget, group, ...columns.map(([, value]) => cellOf(value(groups[group]!)))];
}

const cellOf = (value: Value): string | number =>
  value === undefined || (typeof value === 'number' && !Number.isFinite(value)) ? '' : value;
