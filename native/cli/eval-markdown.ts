/** A finished evaluation as the Markdown table of docs/methods.md: what chooses high-resolution tokens, small text apart. */
import type {
  ConditionSummary,
  EvaluationSummary,
  GroupResult,
  QuestionGroup,
} from '../../trace/evaluation/summary.ts';
import type { EvaluationEnd } from '../evaluation/evaluate.ts';

export function evaluationMarkdown({ evaluation, summary, state, done, total }: EvaluationEnd): string {
  const { set, model, engine, questions } = evaluation.metadata;
  const groups = accuracyGroups(summary);
  const [all] = summary.groups;
  const reference = summary.conditions[0]!.groups[all!.id]!;
  const head = [
    'run',
    ...groups.map(({ title, questions: indices }) => `${title} (${indices.length})`),
    'HR tokens',
    'E_in',
    'GMAC',
    'prefill',
    'vision to answer',
  ];
  const rows = summary.conditions.map(summarized => row(summarized, groups, summarized.groups[all!.id]!, reference));
  const unfinished = state === 'cancelled' ? ` Unfinished: ${done} of ${total} runs.` : '';
  const slowed = engine.jobs > 1 ? ` ${engine.jobs} runs at the same time slowed each other down.` : '';
  return [
    `${cell(set.name)}, ${questions} questions, ${cell(model.name)}, ${engine.device} (${cell(engine.hardware)}), ${engine.threads} threads.${unfinished}`,
    '',
    line(head),
    line(head.map(() => '---')),
    ...rows.map(line),
    '',
    'Percent right (95 % interval, Wilson), then the difference to no pruning on the same questions in percentage points, bold where its paired 95 % interval (Newcombe) ' +
      'leaves out 0. HR tokens: share of the high-resolution tokens that a layer reads, mean over layers and steps. E_in: visual tokens entering a decoder layer in ' +
      `prefill. GMAC: decoder, prefill and decode. Times: medians, and multiples of no pruning's.${slowed}`,
    '',
  ].join('\n');
}

/** Small text apart from everything else, where the set has both. */
function accuracyGroups({ groups }: EvaluationSummary): readonly QuestionGroup[] {
  const apart = ['other', 'small-text'].flatMap(id => groups.filter(group => group.id === id));
  return apart.length > 0 ? apart : groups.slice(0, 1);
}

function row(
  { condition, groups: results }: ConditionSummary,
  groups: readonly QuestionGroup[],
  costs: GroupResult,
  reference: GroupResult,
): string[] {
  const { title, budget } = condition;
  const time = (pick: (ms: GroupResult['ms']) => number): string =>
    `${pick(costs.ms).toFixed(0)} ms, ${(pick(costs.ms) / pick(reference.ms)).toFixed(1)} ×`;
  const nothing = costs.answered === 0;
  return [
    budget === undefined ? title : `${title}, ${budget} tokens`,
    ...groups.map(group => accuracy(results[group.id]!, group)),
    costs.highResolutionShare === undefined ? '–' : `${percent(costs.highResolutionShare)} %`,
    nothing ? '–' : costs.entering.toFixed(0),
    nothing ? '–' : ((costs.macs.prefill + costs.macs.decode) / 1e9).toFixed(2),
    nothing ? '–' : time(ms => ms.prefill),
    nothing ? '–' : time(ms => ms.total),
  ];
}

/** "83.3 (70–91), **+2.1**", with how many were answered where not all were. */
function accuracy({ answered, accuracy: right, interval, paired }: GroupResult, { questions }: QuestionGroup): string {
  if (answered === 0) return 'not asked';
  const within = `${percent(right)} (${interval.map(end => (100 * end).toFixed(0)).join('–')})`;
  const some = answered < questions.length ? ` of ${answered}` : '';
  if (!paired || paired.pairs === 0) return within + some;
  const points = `${paired.difference < 0 ? '−' : '+'}${percent(Math.abs(paired.difference))}`;
  const told = paired.interval[0] > 0 || paired.interval[1] < 0;
  return `${within}${some}, ${told ? `**${points}**` : points}`;
}

const percent = (value: number): string => (100 * value).toFixed(1);
const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
/** Nothing in a name ends a cell or starts markup of its own. */
const cell = (text: string): string => text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').replaceAll('<', '&lt;');
